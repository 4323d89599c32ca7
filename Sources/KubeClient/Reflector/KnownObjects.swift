// SPDX-License-Identifier: Apache-2.0

/// Which objects a follower knows, and in which version: enough to tell, at the end of a list, what is new and what is
/// gone. The objects themselves are not kept.
struct KnownObjects: Sendable {
    private struct Entry {
        var version: String
        /// The last list that had it.
        var list: UInt32
    }

    private var entries: [ObjectKey: Entry] = [:]
    private var list: UInt32 = 0

    var count: Int { entries.count }

    /// A list begins, or begins anew: what it tells from here on is what there is.
    mutating func beginList() {
        list &+= 1
    }

    /// True if it is news: not known, or known in another version. An empty version is always news.
    mutating func listed(_ key: ObjectKey, version: String) -> Bool {
        let old = entries.updateValue(Entry(version: version, list: list), forKey: key)
        return version.isEmpty || old?.version != version
    }

    /// The list is complete: gives, and forgets, what it did not have. In order.
    mutating func endList() -> [ObjectKey] {
        let gone = entries.filter { $0.value.list != list }.map(\.key).sorted()
        for key in gone { entries[key] = nil }
        return gone
    }

    /// True if it is news, as in ``listed(_:version:)``.
    mutating func changed(_ key: ObjectKey, version: String) -> Bool {
        listed(key, version: version)
    }

    /// True if it was known.
    mutating func deleted(_ key: ObjectKey) -> Bool {
        entries.removeValue(forKey: key) != nil
    }
}
