// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Testing

@Suite struct PrefixTableTests {
    /// What the table must do, by looking at every entry.
    private struct LinearTable {
        var entries: [Prefix: Int] = [:]

        func covering(_ prefix: Prefix) -> [Prefix] {
            entries.keys.filter { $0.contains(prefix) }.sorted { $0.length < $1.length }
        }

        func covered(by prefix: Prefix) -> [Prefix] {
            entries.keys.filter { prefix.contains($0) }.sorted()
        }
    }

    @Test(arguments: 0..<20)
    func `agrees with a linear scan through random changes`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var table = PrefixTable<Int>()
        var reference = LinearTable()
        var inserted: [Prefix] = []
        for step in 0..<1500 {
            let prefix = random.crowdedPrefix()
            // Grow in the first part, shrink in the last, so that forks come and go.
            if random.next() % 10 < (step < 750 ? 7 : 2) {
                inserted.append(prefix)
                #expect(table.insert(step, for: prefix) == reference.entries.updateValue(step, forKey: prefix))
            } else {
                let victim = random.next() % 3 == 0 ? prefix : inserted.randomElement(using: &random) ?? prefix
                #expect(table.remove(victim) == reference.entries.removeValue(forKey: victim))
            }
            #expect(table.count == reference.entries.count)

            let probe = random.crowdedPrefix()
            #expect(table[probe] == reference.entries[probe])
            let covering = reference.covering(probe)
            #expect(table.covering(probe).map(\.prefix) == covering)
            #expect(table.longestMatch(covering: probe)?.prefix == covering.last)
            #expect(table.covered(by: probe).map(\.prefix) == reference.covered(by: probe))
            let match = table.longestMatch(probe.address)
            #expect(match?.prefix == reference.covering(Prefix(host: probe.address)).last)
            if let match { #expect(match.value == reference.entries[match.prefix]) }
        }
        let sorted = reference.entries.keys.sorted()
        #expect(table.map(\.prefix) == sorted.filter(\.isIPv4) + sorted.filter { !$0.isIPv4 })
        for prefix in reference.entries.keys { #expect(table.remove(prefix) != nil) }
        #expect(table.isEmpty)
        #expect(table.map(\.prefix).isEmpty)
    }

    @Test func `the default routes of both families are kept apart`() throws {
        var table = PrefixTable([(.allIPv4, "four"), (.allIPv6, "six")])
        #expect(table.longestMatch(try #require(IPAddress("1.2.3.4")))?.value == "four")
        #expect(table.longestMatch(try #require(IPAddress("::1")))?.value == "six")
        #expect(table.longestMatch(try #require(IPAddress("::")))?.value == "six")
        table.remove(.allIPv6)
        #expect(table.longestMatch(try #require(IPAddress("::1"))) == nil)
        #expect(table.covered(by: .allIPv4).map(\.value) == ["four"])
        #expect(table.covered(by: .allIPv6).isEmpty)
    }

    @Test func `a copy keeps its own content`() throws {
        let prefix = try #require(Prefix("10.0.0.0/8"))
        var table = PrefixTable([(prefix, 1)])
        let copy = table
        table[prefix] = 2
        table[.allIPv4] = 3
        #expect(copy[prefix] == 1)
        #expect(copy.count == 1)
        table[prefix] = nil
        #expect(table.count == 1)
        table.removeAll()
        #expect(table.isEmpty)
    }
}
