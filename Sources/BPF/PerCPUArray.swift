// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// An array with a value for each possible CPU, written by programs without atomics: counters.
package struct PerCPUArray<Value: BitwiseCopyable>: ~Copyable, Sendable, KernelMap {
    package let handle: MapHandle

    package var info: MapInfo { handle.info }
    package var name: String { handle.info.name }
    package var count: Int { handle.info.maxEntries }

    /// Bytes from one CPU's value to the next: the kernel rounds up to 8.
    package static var stride: Int { roundUp(MemoryLayout<Value>.size, to: 8) }

    package init(_ handle: consuming MapHandle) throws(BPFError) {
        try handle.requireLayout(type: [.perCPUArray], key: 4, value: MemoryLayout<Value>.size)
        self.handle = handle
    }

    package init(pinned path: String) throws(BPFError) { try self.init(MapHandle(pinned: path)) }

    package init(creating name: String, maxEntries: Int) throws(BPFError) {
        try self.init(
            MapHandle(
                creating: .perCPUArray, name: name, keySize: 4, valueSize: MemoryLayout<Value>.size,
                maxEntries: maxEntries))
    }

    package borrowing func withDescriptor<Result: ~Copyable, Failure: Error>(
        _ body: (Int32) throws(Failure) -> Result
    ) throws(Failure) -> Result { try body(handle.raw) }

    /// The value of every possible CPU, by CPU number.
    package func lookup(_ index: Int) throws(BPFError) -> [Value] {
        try reduce(index, into: [], { $0.append($1) })
    }

    /// Folds the values of all CPUs, as for a sum; allocates nothing itself.
    package func reduce<Result>(
        _ index: Int, into start: Result, _ add: (inout Result, Value) -> Void
    ) throws(BPFError) -> Result {
        var result = start
        let failure = unsafe withValues { values in
            var index = UInt32(clamping: index)
            let failure = unsafe bpf_map_lookup_elem(handle.raw, &index, values.baseAddress)
            guard failure == 0 else { return failure }
            for cpu in 0..<Processors.possible {
                add(&result, unsafe values.load(fromByteOffset: cpu * Self.stride, as: Value.self))
            }
            return 0
        }
        if failure == -ENOENT {
            throw BPFError(
                "read", "map \(name)", errno: ENOENT, reason: .outOfRange(map: name, maxEntries: count))
        }
        try check(failure, "read", "map \(name)")
        return result
    }

    /// Writes zeros for every CPU. What programs add at that moment may be lost.
    package func reset(_ index: Int) throws(BPFError) {
        let failure = unsafe withValues { values in
            unsafe values.initializeMemory(as: UInt8.self, repeating: 0)
            var index = UInt32(clamping: index)
            return unsafe bpf_map_update_elem(handle.raw, &index, values.baseAddress, 0)
        }
        if failure == -E2BIG {
            throw BPFError("reset", "map \(name)", errno: E2BIG, reason: .outOfRange(map: name, maxEntries: count))
        }
        try check(failure, "reset", "map \(name)")
    }

    private func withValues(_ body: (UnsafeMutableRawBufferPointer) -> Int32) -> Int32 {
        unsafe withUnsafeTemporaryAllocation(
            byteCount: Self.stride * Processors.possible, alignment: 16
        ) { unsafe body($0) }
    }
}

func roundUp(_ value: Int, to unit: Int) -> Int { (value + unit - 1) / unit * unit }
