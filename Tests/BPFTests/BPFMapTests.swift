// SPDX-License-Identifier: Apache-2.0
import BPF
import Glibc
import Kernel
import TestSupport
import Testing

/// The key of an LPM trie: the number of bits that count, then the bits.
private struct PrefixKey: Hashable {
    var length: UInt32
    var bits: UInt32  // network order

    init(_ bits: UInt32, _ length: UInt32) {
        self.length = length
        self.bits = bits.bigEndian
    }
}

@Suite(.enabled(if: geteuid() == 0, "needs root")) struct BPFMapTests {
    @Test(arguments: [MapType.hash, .lruHash])
    func `an entry is written, found, replaced and removed`(type: MapType) throws {
        let map = try BPFMap<UInt64, Triple>(creating: type, name: "entry", maxEntries: 64)
        #expect(try map.lookup(7) == nil)
        try map.update(7, Triple(first: 1, second: 2, third: 3), .noExist)
        #expect(try map.lookup(7) == Triple(first: 1, second: 2, third: 3))
        try map.update(7, Triple(first: 9), .exist)
        #expect(try map.lookup(7)?.first == 9)
        #expect(try map.count() == 1)
        #expect(try map.delete(7))
        #expect(try !map.delete(7))
        #expect(try map.lookup(7) == nil)
    }

    @Test func `noExist and exist refuse what is and is not there`() throws {
        let map = try BPFMap<UInt32, UInt32>(creating: .hash, name: "modes", maxEntries: 4)
        try map.update(1, 1)
        #expect(errno { () throws(BPFError) in try map.update(1, 2, .noExist) } == .exists)
        #expect(errno { () throws(BPFError) in try map.update(2, 2, .exist) } == .noEntry)
        #expect(try map.lookup(1) == 1)
    }

    @Test func `a trie finds the longest prefix`() throws {
        let map = try BPFMap<PrefixKey, UInt32>(
            creating: .lpmTrie, name: "trie", maxEntries: 16, flags: .noPreallocation)
        try map.update(PrefixKey(0x0a00_0000, 8), 8)
        try map.update(PrefixKey(0x0a01_0000, 16), 16)
        #expect(try map.lookup(PrefixKey(0x0a01_0203, 32)) == 16)
        #expect(try map.lookup(PrefixKey(0x0a02_0203, 32)) == 8)
        #expect(try map.lookup(PrefixKey(0x0b00_0000, 32)) == nil)
        #expect(try map.delete(PrefixKey(0x0a01_0000, 16)))
        #expect(try map.lookup(PrefixKey(0x0a01_0203, 32)) == 8)
        #expect(try map.entries().map(\.key) == [PrefixKey(0x0a00_0000, 8)])
    }

    @Test func `an array refuses an index past its end, in words`() throws {
        let map = try BPFMap<UInt32, UInt64>(creating: .array, name: "row", maxEntries: 3)
        try map.update(2, 5)
        #expect(try map.lookup(2) == 5)
        #expect(try map.lookup(3) == nil)
        #expect {
            try map.update(3, 1)
        } throws: { "\($0)" == "cannot update map row: index is past the end of map row (3 entries)" }
        #expect(try map.entries().count == 3)
    }

    @Test(arguments: [(MapType.hash, MapFlags()), (.hash, .noPreallocation), (.lpmTrie, .noPreallocation)])
    func `a full map says its name and size`(type: MapType, flags: MapFlags) throws {
        let map = try BPFMap<PrefixKey, UInt32>(creating: type, name: "narrow", maxEntries: 8, flags: flags)
        #expect {
            for number in 0..<64 as Range<UInt32> { try map.update(PrefixKey(number, 32), number) }
        } throws: { error in
            "\(error)" == "cannot update map narrow: map narrow is full (8 entries)"
                && (error as? BPFError)?.fullMap == "narrow"
        }
        #expect(try map.count() == 8)
        // A batch reports it too, and what came before it is in.
        let keys = (100..<164 as Range<UInt32>).map { PrefixKey($0, 32) }
        #expect { try map.updateBatch(keys: keys, values: [UInt32](repeating: 1, count: 64)) } throws: {
            ($0 as? BPFError)?.fullMap == "narrow"
        }
    }

    @Test(
        arguments: [(MapType.hash, MapFlags()), (.lruHash, MapFlags()), (.lpmTrie, .noPreallocation)],
        [(1, true), (100, true), (100, false)])
    func `every entry is read, with and without batches`(
        map kind: (MapType, MapFlags), scan: (chunk: Int, batch: Bool)
    ) throws {
        let (chunk, batch) = scan
        let map = try BPFMap<PrefixKey, UInt64>(creating: kind.0, name: "many", maxEntries: 20_000, flags: kind.1)
        let keys = (0..<5000 as Range<UInt32>).map { PrefixKey($0 &* 2_654_435_761, 32) }
        let values = keys.map { UInt64($0.bits) * 3 }
        try map.updateBatch(keys: keys, values: values)
        #expect(try map.count() == 5000)
        var scan = MapScan<PrefixKey, UInt64>(chunk: chunk, batch: batch)
        var seen: [PrefixKey: UInt64] = [:]
        while try scan.next(map) {
            for index in 0..<scan.count { seen[scan.key(index)] = scan.value(index) }
        }
        #expect(seen == Dictionary(uniqueKeysWithValues: zip(keys, values)))
        #expect(try map.entries().count == 5000)
    }

    @Test func `a batch of deletes passes over what is missing`() throws {
        let map = try BPFMap<UInt32, UInt32>(creating: .hash, name: "gaps", maxEntries: 1000)
        try map.updateBatch(keys: Array(0..<500), values: Array(0..<500))
        var wanted: [UInt32] = []
        for key in 0..<500 as Range<UInt32> { wanted += key % 7 == 0 ? [key, key + 10_000] : [key + 20_000] }
        #expect(try map.deleteBatch(wanted) == 72)
        #expect(try map.count() == 428)
        #expect(try map.deleteBatch([]) == 0)
        #expect(try map.deleteBatch([99_999]) == 0)
        #expect(try map.lookup(7) == nil)
        #expect(try map.lookup(8) == 8)
    }

    @Test(arguments: [true, false])
    func `a walk ends while entries come and go, and sees those that stay`(batch: Bool) throws {
        let map = try BPFMap<UInt32, UInt32>(creating: .hash, name: "moving", maxEntries: 4096)
        let staying = Array(0..<1000 as Range<UInt32>)
        try map.updateBatch(keys: staying, values: staying)
        var scan = MapScan<UInt32, UInt32>(chunk: 32, batch: batch)
        var seen: Set<UInt32> = []
        var round: UInt32 = 0
        while try scan.next(map) {
            for index in 0..<scan.count { seen.insert(scan.key(index)) }
            try map.update(10_000 + round, 1)
            if round > 0 { try map.delete(10_000 + round - 1) }
            round += 1
        }
        #expect(seen.isSuperset(of: staying))
    }

    @Test func `another layout is refused with both sizes`() throws {
        let pins = try TemporaryDirectory.forPins()
        let map = try BPFMap<UInt64, Triple>(creating: .hash, name: "layout", maxEntries: 4)
        try map.pin(to: pins.file("layout"))
        #expect {
            _ = try BPFMap<UInt32, Counter>(pinned: pins.file("layout"))
        } throws: { "\($0)".hasSuffix("map layout: keys have 8 bytes, not 4, values have 12 bytes, not 16") }
        #expect {
            _ = try MappedArray<Triple>(pinned: pins.file("layout"))
        } throws: { "\($0)".contains("type is hash, not array") }
        #expect {
            _ = try BPFMap<UInt32, Counter>(
                MapHandle(creating: .perCPUArray, name: "each", keySize: 4, valueSize: 16, maxEntries: 1))
        } throws: { "\($0)".contains("percpu_array") }
    }

    @Test func `a pinned map outlives its owner and is the same map`() throws {
        let pins = try TemporaryDirectory.forPins()
        let path = pins.file("shared")
        var id: UInt32 = 0
        do {
            let map = try BPFMap<UInt32, UInt32>(creating: .hash, name: "shared", maxEntries: 4)
            try map.update(1, 11)
            try map.pin(to: path)
            #expect(errno { () throws(BPFError) in try map.pin(to: path) } == .exists)
            id = map.info.id
        }
        let found = try BPFMap<UInt32, UInt32>(pinned: path)
        #expect(found.info.id == id)
        #expect(found.name == "shared")
        #expect(try found.lookup(1) == 11)
        #expect(found.memoryUsage > 0)

        let other = try BPFMap<UInt32, UInt32>(creating: .hash, name: "other", maxEntries: 4)
        try other.pin(to: path, replacing: true)
        #expect(try BPFMap<UInt32, UInt32>(pinned: path).info.id == other.info.id)
        #expect(try Directory.names(in: pins.path) == ["shared"])
        #expect(try BPFPin.remove(path))
        #expect(try !BPFPin.remove(path))
        #expect(errno { () throws(BPFError) in _ = try MapHandle(pinned: path) } == .noEntry)
    }

    @Test func `descriptors are closed, also when opening fails half way`() throws {
        let pins = try TemporaryDirectory.forPins()
        let map = try BPFMap<UInt64, Triple>(creating: .hash, name: "leaks", maxEntries: 4)
        try map.pin(to: pins.file("leaks"))
        let id = map.info.id
        func opened() throws -> Int { try descriptors(ofMap: id) }
        let before = try opened()
        for _ in 0..<10 {
            _ = try? BPFMap<UInt32, Counter>(pinned: pins.file("leaks"))
            _ = try? MappedArray<Triple>(pinned: pins.file("leaks"))
            _ = try BPFMap<UInt64, Triple>(pinned: pins.file("leaks"))
        }
        #expect(before == 1)
        #expect(try opened() == before)
    }
}

/// How many descriptors of this process are this map.
private func descriptors(ofMap id: UInt32) throws -> Int {
    try Directory.names(in: "/proc/self/fdinfo").filter { name in
        guard let file = try? OwnedFD.open("/proc/self/fdinfo/\(name)", O_RDONLY), let bytes = try? file.readAll()
        else { return false }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").contains("map_id:\t\(id)")
    }.count
}

/// The error number that `body` fails with, nil if it does not.
func errno(_ body: () throws(BPFError) -> Void) -> Errno? {
    do {
        try body()
        return nil
    } catch {
        return error.errno
    }
}
