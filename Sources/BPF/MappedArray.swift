// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// An array (BPF_F_MMAPABLE) that lies in this process's memory too: reading and writing it costs no system call, and
/// a 32-bit word is switched for all CPUs by one store.
///
/// Elements are copied in whole 8-byte words, the rest in smaller ones, each of which a program sees whole; the element
/// as such is not written in one step. An index out of range is a programming error and traps.
@safe package struct MappedArray<Value: BitwiseCopyable>: ~Copyable, @unchecked Sendable, KernelMap {
    package let handle: MapHandle
    private let base: UnsafeMutableRawPointer
    private let length: Int

    package var info: MapInfo { handle.info }
    package var name: String { handle.info.name }
    package var count: Int { handle.info.maxEntries }

    /// Bytes from one element to the next: the kernel rounds up to 8.
    package static var stride: Int { roundUp(MemoryLayout<Value>.size, to: 8) }

    package init(_ handle: consuming MapHandle) throws(BPFError) {
        try handle.requireLayout(type: [.array], key: 4, value: MemoryLayout<Value>.size)
        let length = roundUp(Self.stride * handle.info.maxEntries, to: Int(getpagesize()))
        var address: UnsafeMutableRawPointer?
        try check(
            unsafe clibbpf_map_mmap(handle.raw, length, &address), "map into memory", "map \(handle.info.name)")
        guard let address = unsafe address else {
            throw BPFError("map into memory", "map \(handle.info.name)", errno: EFAULT)
        }
        self.handle = handle
        unsafe base = address
        self.length = length
    }

    package init(pinned path: String) throws(BPFError) { try self.init(MapHandle(pinned: path)) }

    package init(creating name: String, maxEntries: Int) throws(BPFError) {
        try self.init(
            MapHandle(
                creating: .array, name: name, keySize: 4, valueSize: MemoryLayout<Value>.size, maxEntries: maxEntries,
                flags: .mappable))
    }

    deinit { unsafe munmap(base, length) }

    package borrowing func withDescriptor<Result: ~Copyable, Failure: Error>(
        _ body: (Int32) throws(Failure) -> Result
    ) throws(Failure) -> Result { try body(handle.raw) }

    /// A copy of an element; setting copies into it without any order towards other memory.
    package subscript(index: Int) -> Value {
        get {
            let source = unsafe element(index)
            return unsafe withUnsafeTemporaryAllocation(of: Value.self, capacity: 1) { buffer in
                unsafe clibbpf_copy_out(buffer.baseAddress, source, MemoryLayout<Value>.size)
                return unsafe buffer[0]
            }
        }
        nonmutating set {
            let target = unsafe element(index)
            unsafe withUnsafePointer(to: newValue) {
                unsafe clibbpf_copy_in(target, $0, MemoryLayout<Value>.size)
            }
        }
    }

    /// Stores one word of an element: everything written before is visible to whoever sees the word.
    ///
    /// - Parameter offset: of the field in the element, bytes, a multiple of 4.
    package func storeWord(at index: Int, offset: Int, _ word: UInt32) {
        unsafe clibbpf_store_release32(wordAddress(index, offset), word)
    }

    /// Loads one word of an element; what its writer wrote before is visible afterwards.
    package func loadWord(at index: Int, offset: Int) -> UInt32 {
        unsafe clibbpf_load_acquire32(wordAddress(index, offset))
    }

    /// `storeWord` for a stored field, as in `state.storeWord(at: 0, \.epoch, 7)`.
    package func storeWord(at index: Int, _ field: KeyPath<Value, UInt32>, _ word: UInt32) {
        storeWord(at: index, offset: offset(of: field), word)
    }

    /// `loadWord` for a stored field.
    package func loadWord(at index: Int, _ field: KeyPath<Value, UInt32>) -> UInt32 {
        loadWord(at: index, offset: offset(of: field))
    }

    private func offset(of field: KeyPath<Value, UInt32>) -> Int {
        guard let offset = MemoryLayout<Value>.offset(of: field) else {
            preconditionFailure("\(field) is not a stored field")
        }
        return offset
    }

    private func element(_ index: Int) -> UnsafeMutableRawPointer {
        precondition(index >= 0 && index < count, "index \(index) of map \(name) with \(count) elements")
        return unsafe base + index * Self.stride
    }

    private func wordAddress(_ index: Int, _ offset: Int) -> UnsafeMutableRawPointer {
        precondition(offset >= 0 && offset % 4 == 0 && offset + 4 <= MemoryLayout<Value>.size)
        return unsafe element(index) + offset
    }
}
