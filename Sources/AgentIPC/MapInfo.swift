// SPDX-License-Identifier: Apache-2.0

/// `GET /v1/maps`: one map of the datapath and how full it is.
package struct MapInfo: Hashable, Codable, Sendable {
    package var name: String
    /// Of the kernel, as "lru_hash" or "lpm_trie".
    package var type: String
    /// nil for arrays and ring buffers, which are never full.
    package var entries: UInt64?
    /// Bytes for a ring buffer.
    package var maxEntries: UInt64
    /// Bytes.
    package var keySize: UInt32
    /// Bytes; per CPU for per-CPU maps.
    package var valueSize: UInt32
    /// entries / maxEntries, 0 to 1; nil where `entries` is.
    package var pressure: Double?
    /// Bytes that the kernel charges for it; nil when it does not say.
    package var memory: UInt64?
    /// The agent's option that sets its size, as "--max-flows"; nil: the size is fixed.
    package var setting: String?

    package init(
        name: String, type: String, entries: UInt64? = nil, maxEntries: UInt64, keySize: UInt32, valueSize: UInt32,
        pressure: Double? = nil, memory: UInt64? = nil, setting: String? = nil
    ) {
        self.name = name
        self.type = type
        self.entries = entries
        self.maxEntries = maxEntries
        self.keySize = keySize
        self.valueSize = valueSize
        self.pressure = pressure
        self.memory = memory
        self.setting = setting
    }
}

/// `GET /v1/maps/{name}`: contents, decoded. Keys' columns come first.
package struct MapDump: Hashable, Codable, Sendable {
    package var name: String
    package var columns: [String]
    /// As many cells a row as there are columns. A map that changes meanwhile may show an entry twice.
    package var rows: [[String]]
    /// More entries are there than the agent puts into one reply.
    package var truncated: Bool

    package init(name: String, columns: [String], rows: [[String]], truncated: Bool = false) {
        self.name = name
        self.columns = columns
        self.rows = rows
        self.truncated = truncated
    }
}

/// `GET /v1/denylists`: sources that are dropped at a device before the stack sees them.
package struct DenyListInfo: Hashable, Codable, Sendable {
    /// Name of the list.
    package var group: String
    package var devices: [String]
    /// "native" or "generic": where XDP runs.
    package var mode: String
    /// File that it was read from.
    package var source: String?
    /// IPv4 prefixes in the kernel.
    package var prefixes4: Int
    /// IPv6 prefixes in the kernel.
    package var prefixes6: Int
    package var droppedPackets: UInt64
    package var droppedBytes: UInt64
    /// Why the list in force is not what the file says.
    package var error: String?

    package init(
        group: String, devices: [String], mode: String, source: String? = nil, prefixes4: Int, prefixes6: Int,
        droppedPackets: UInt64, droppedBytes: UInt64, error: String? = nil
    ) {
        self.group = group
        self.devices = devices
        self.mode = mode
        self.source = source
        self.prefixes4 = prefixes4
        self.prefixes6 = prefixes6
        self.droppedPackets = droppedPackets
        self.droppedBytes = droppedBytes
        self.error = error
    }
}
