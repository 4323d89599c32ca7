// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The kernel's `enum bpf_map_type`; the types that this package knows by name.
package struct MapType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let hash = MapType(rawValue: 1)
    package static let array = MapType(rawValue: 2)
    package static let perCPUHash = MapType(rawValue: 5)
    package static let perCPUArray = MapType(rawValue: 6)
    package static let lruHash = MapType(rawValue: 9)
    package static let lruPerCPUHash = MapType(rawValue: 10)
    package static let lpmTrie = MapType(rawValue: 11)
    package static let perCPUCgroupStorage = MapType(rawValue: 21)
    package static let ringBuffer = MapType(rawValue: 27)

    private static let names: [UInt32: String] = [
        1: "hash", 2: "array", 3: "prog_array", 4: "perf_event_array", 5: "percpu_hash", 6: "percpu_array",
        9: "lru_hash", 10: "lru_percpu_hash", 11: "lpm_trie", 12: "array_of_maps", 13: "hash_of_maps",
        27: "ringbuf",
    ]

    /// One value for each possible CPU: user space reads and writes them all at once.
    var isPerCPU: Bool {
        [.perCPUHash, .perCPUArray, .lruPerCPUHash, .perCPUCgroupStorage].contains(self)
    }

    /// The name that bpftool uses.
    package var description: String { Self.names[rawValue] ?? "type \(rawValue)" }
}

/// `BPF_F_*` flags of a map, given when it is made.
package struct MapFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Memory is taken as entries come. LPM tries need it.
    package static let noPreallocation = MapFlags(rawValue: 1 << 0)
    /// An array that can be mapped into this process's memory.
    package static let mappable = MapFlags(rawValue: 1 << 10)
}

/// What the kernel says about a map. Sizes in bytes.
package struct MapInfo: Hashable, Sendable {
    /// Unique in this kernel as long as the map lives.
    package let id: UInt32
    package let type: MapType
    /// At most 15 bytes: the kernel cuts the rest off.
    package let name: String
    package let keySize: Int
    /// Of one value; maps with a value for each CPU hold several of them.
    package let valueSize: Int
    /// For ring buffers the size in bytes.
    package let maxEntries: Int
    package let flags: MapFlags
}

/// When `update` writes.
package enum UpdateMode: UInt64, Sendable {
    case any = 0
    /// EEXIST if the key is there.
    case noExist = 1
    /// ENOENT if the key is not there.
    case exist = 2
}
