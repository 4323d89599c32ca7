// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// A walk over a map in chunks, with one buffer for all of them: for maps too large to copy out whole.
///
///     var scan = MapScan<flow_key, flow>(chunk: 4096)
///     while try scan.next(flows) {
///         for index in 0..<scan.count { … scan.key(index), scan.value(index) … }
///     }
///
/// Entries may be deleted and added between and during chunks: every entry that is there all the time is seen.
@safe package struct MapScan<Key: BitwiseCopyable, Value: BitwiseCopyable>: ~Copyable {
    private enum Mode { case batch, keys }

    private var capacity: Int
    private var keys: UnsafeMutablePointer<Key>
    private var values: UnsafeMutablePointer<Value>
    /// The kernel's place in the map: a bucket number, or a key.
    private let position: UnsafeMutableRawPointer
    private var mode = Mode.batch
    private var started = false
    private var finished = false
    private var steps = 0

    /// Entries in the current chunk.
    package private(set) var count = 0

    /// - Parameters:
    ///   - chunk: entries read by one system call, more if a hash bucket has more.
    ///   - batch: false walks from key to key, two system calls an entry.
    package init(chunk: Int = 1024, batch: Bool = true) {
        capacity = max(chunk, 1)
        unsafe keys = .allocate(capacity: capacity)
        unsafe values = .allocate(capacity: capacity)
        unsafe position = .allocate(byteCount: max(MemoryLayout<Key>.size, 8), alignment: 8)
        mode = batch ? .batch : .keys
    }

    deinit {
        unsafe keys.deallocate()
        unsafe values.deallocate()
        unsafe position.deallocate()
    }

    /// True if a key may come more than once: walking by keys starts over when the place it was at is deleted.
    package var mayRepeat: Bool { mode == .keys }

    package func key(_ index: Int) -> Key {
        precondition(index >= 0 && index < count)
        return unsafe keys[index]
    }

    package func value(_ index: Int) -> Value {
        precondition(index >= 0 && index < count)
        return unsafe values[index]
    }

    /// Reads the next chunk; false when there is none.
    package mutating func next(_ map: borrowing BPFMap<Key, Value>) throws(BPFError) -> Bool {
        count = 0
        while !finished, count == 0 {
            switch mode {
            case .batch: try readBatch(map)
            case .keys: try readByKeys(map)
            }
        }
        return count > 0
    }

    private mutating func readBatch(_ map: borrowing BPFMap<Key, Value>) throws(BPFError) {
        var read = UInt32(clamping: capacity)
        let result = unsafe bpf_map_lookup_batch(
            map.handle.raw, started ? position : nil, position, keys, values, &read, nil)
        switch -result {
        case 0:
            (started, count) = (true, Int(read))
        case ENOENT:
            (finished, count) = (true, Int(read))
        case ENOSPC:
            grow()
        case EINTR where steps < 16:
            // A trie's entry went away under the walk; what was read and the place are good.
            steps += 1
            count = Int(read)
            started = started || count > 0
        case _ where !started:
            mode = .keys
        default:
            throw BPFError("read", "map \(map.name)", errno: -result)
        }
    }

    private mutating func readByKeys(_ map: borrowing BPFMap<Key, Value>) throws(BPFError) {
        // A walk that starts over again and again, as entries go away under it, must end.
        let limit = 2 * map.maxEntries + 64
        while count < capacity, steps < limit {
            steps += 1
            var result = unsafe bpf_map_get_next_key(map.handle.raw, started ? position : nil, position)
            if result == -ENOENT {
                finished = true
                return
            }
            try check(result, "read the next key of", "map \(map.name)")
            started = true
            result = unsafe bpf_map_lookup_elem(map.handle.raw, position, values + count)
            if result == -ENOENT { continue }
            try check(result, "read", "map \(map.name)")
            unsafe keys[count] = position.load(as: Key.self)
            count += 1
        }
        finished = finished || steps >= limit
    }

    private mutating func grow() {
        unsafe keys.deallocate()
        unsafe values.deallocate()
        capacity *= 2
        unsafe keys = .allocate(capacity: capacity)
        unsafe values = .allocate(capacity: capacity)
    }
}
