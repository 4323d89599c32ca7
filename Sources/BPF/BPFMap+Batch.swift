// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

extension BPFMap {
    /// Every entry, in no order. Entries that others add or remove meanwhile may or may not be in it; no key is in it
    /// twice.
    package func entries() throws(BPFError) -> [(key: Key, value: Value)] {
        var scan = MapScan<Key, Value>()
        var entries: [(key: Key, value: Value)] = []
        while try scan.next(self) {
            for index in 0..<scan.count { entries.append((scan.key(index), scan.value(index))) }
        }
        guard scan.mayRepeat else { return entries }
        var seen: Set<RawBytes<Key>> = []
        entries.removeAll { !seen.insert(RawBytes(value: $0.key)).inserted }
        return entries
    }

    /// The number of entries, by going through all of them: some microseconds for a thousand.
    package func count() throws(BPFError) -> Int {
        if info.type == .array { return maxEntries }
        var scan = MapScan<Key, Value>()
        var count = 0
        while try scan.next(self) { count += scan.count }
        return count
    }

    /// Writes many entries with few system calls, one by one where the kernel cannot batch. Stops at the first that
    /// fails: entries before it are written. Later entries win over earlier ones with the same key.
    ///
    /// - Precondition: as many keys as values.
    package func updateBatch(keys: [Key], values: [Value], _ mode: UpdateMode = .any) throws(BPFError) {
        precondition(keys.count == values.count, "a value for each key")
        guard !keys.isEmpty else { return }
        let (done, result) = unsafe keys.withUnsafeBufferPointer { keys in
            unsafe values.withUnsafeBufferPointer { values in
                var options = bpf_map_batch_opts()
                options.sz = MemoryLayout<bpf_map_batch_opts>.size
                options.elem_flags = mode.rawValue
                var count = UInt32(clamping: keys.count)
                let result = unsafe bpf_map_update_batch(
                    handle.raw, keys.baseAddress, values.baseAddress, &count, &options)
                return (finished(count, of: keys.count, result), result)
            }
        }
        if result < 0, [E2BIG, ENOSPC].contains(-result), done > 0 { throw updateError(-result) }
        for index in done..<keys.count { try update(keys[index], values[index], mode) }
    }

    /// Removes many entries; those that are not there are left out. Returns how many were removed.
    @discardableResult
    package func deleteBatch(_ keys: [Key]) throws(BPFError) -> Int {
        var removed = 0
        var next = 0
        while next < keys.count {
            let (done, result) = unsafe keys.withUnsafeBufferPointer { keys in
                var count = UInt32(clamping: keys.count - next)
                let result = unsafe bpf_map_delete_batch(
                    handle.raw, keys.baseAddress.map { unsafe $0 + next }, &count, nil)
                return (finished(count, of: keys.count - next, result), result)
            }
            removed += done
            next += done
            if result >= 0 { break }
            guard next < keys.count else { break }
            // The key that stopped the batch: missing, or the kernel cannot batch here.
            if try delete(keys[next]) { removed += 1 }
            next += 1
            if result != -ENOENT {
                while next < keys.count {
                    if try delete(keys[next]) { removed += 1 }
                    next += 1
                }
            }
        }
        return removed
    }

    /// How many entries a batch has worked off. A kernel that refuses it outright leaves the count as it was.
    private func finished(_ count: UInt32, of total: Int, _ result: Int32) -> Int {
        let count = min(Int(count), total)
        return result < 0 && count == total ? 0 : count
    }
}

/// Equality and hash of a value's memory.
struct RawBytes<Value: BitwiseCopyable>: Hashable {
    let value: Value

    static func == (left: Self, right: Self) -> Bool {
        unsafe withUnsafeBytes(of: left.value) { left in
            unsafe withUnsafeBytes(of: right.value) { right in unsafe left.elementsEqual(right) }
        }
    }

    func hash(into hasher: inout Hasher) {
        unsafe withUnsafeBytes(of: value) { unsafe hasher.combine(bytes: $0) }
    }
}
