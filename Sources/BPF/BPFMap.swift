// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// A hash, LRU hash, LPM trie or array whose keys and values are C structs of the map ABI, imported, without padding.
///
/// Single operations are one system call and no allocation. Any thread may use it; each operation is atomic for one
/// entry as the kernel defines it. Keys and values are taken and given in memory layout, so byte order is the struct's.
package struct BPFMap<Key: BitwiseCopyable, Value: BitwiseCopyable>: ~Copyable, Sendable, KernelMap {
    package let handle: MapHandle

    package var info: MapInfo { handle.info }
    package var name: String { handle.info.name }
    package var maxEntries: Int { handle.info.maxEntries }
    /// Kernel memory that the map is charged with now, bytes.
    package var memoryUsage: Int { handle.memoryUsage }

    package init(_ handle: consuming MapHandle) throws(BPFError) {
        try handle.requireLayout(type: [], key: MemoryLayout<Key>.size, value: MemoryLayout<Value>.size)
        guard !handle.info.type.isPerCPU, MemoryLayout<Key>.size == MemoryLayout<Key>.stride,
            MemoryLayout<Value>.size == MemoryLayout<Value>.stride
        else {
            throw BPFError(
                "use", "map \(handle.info.name)", errno: EINVAL,
                reason: .layout("\(handle.info.type) of \(Key.self) and \(Value.self) cannot be copied as it is"))
        }
        self.handle = handle
    }

    /// Opens a pinned map and checks its layout.
    package init(pinned path: String) throws(BPFError) { try self.init(MapHandle(pinned: path)) }

    /// Makes a map for these keys and values.
    package init(
        creating type: MapType, name: String, maxEntries: Int, flags: MapFlags = []
    ) throws(BPFError) {
        try self.init(
            MapHandle(
                creating: type, name: name, keySize: MemoryLayout<Key>.size, valueSize: MemoryLayout<Value>.size,
                maxEntries: maxEntries, flags: flags))
    }

    package borrowing func withDescriptor<Result: ~Copyable, Failure: Error>(
        _ body: (Int32) throws(Failure) -> Result
    ) throws(Failure) -> Result { try body(handle.raw) }

    /// Pins the map; see `MapHandle.pin`.
    package func pin(to path: String, replacing: Bool = false) throws(BPFError) {
        try handle.pin(to: path, replacing: replacing)
    }

    /// The value, or nil if there is no such entry. LPM tries: of the longest prefix that covers the key.
    package func lookup(_ key: Key) throws(BPFError) -> Value? {
        var result: Int32 = 0
        let value: Value? = unsafe withUnsafePointer(to: key) { key in
            unsafe withUnsafeTemporaryAllocation(of: Value.self, capacity: 1) { buffer in
                result = unsafe bpf_map_lookup_elem(handle.raw, key, buffer.baseAddress)
                return result == 0 ? unsafe buffer[0] : nil
            }
        }
        if result == -ENOENT { return nil }
        try check(result, "look up in", "map \(name)")
        return value
    }

    /// Writes one entry. `BPFError.fullMap` tells when the map has no room.
    package func update(_ key: Key, _ value: Value, _ mode: UpdateMode = .any) throws(BPFError) {
        let result = unsafe withUnsafePointer(to: key) { key in
            unsafe withUnsafePointer(to: value) { value in
                unsafe bpf_map_update_elem(handle.raw, key, value, mode.rawValue)
            }
        }
        guard result >= 0 else { throw updateError(-result) }
    }

    /// Removes one entry; false if there was none. LPM tries: the entry with exactly this prefix. Arrays: EINVAL.
    @discardableResult
    package func delete(_ key: Key) throws(BPFError) -> Bool {
        let result = unsafe withUnsafePointer(to: key) { unsafe bpf_map_delete_elem(handle.raw, $0) }
        if result == -ENOENT { return false }
        try check(result, "delete from", "map \(name)")
        return true
    }

    func updateError(_ errno: Int32) -> BPFError {
        let reason: BPFError.Reason =
            switch errno {
            case E2BIG where info.type == .array: .outOfRange(map: name, maxEntries: maxEntries)
            case E2BIG, ENOSPC: .full(map: name, maxEntries: maxEntries)
            default: .system
            }
        return BPFError("update", "map \(name)", errno: errno, reason: reason)
    }
}
