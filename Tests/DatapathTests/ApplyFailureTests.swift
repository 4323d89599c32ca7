// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

/// A change that doesn't fit into a map.
struct Overflow: Sendable, CustomTestStringConvertible {
    let map: String
    let setting: String
    let size: Int
    /// Adds what is too much to a changeset that has something of everything.
    let add: @Sendable (inout Changeset) -> Void

    var testDescription: String { map }

    /// All as small as that.
    static func shrink(_ configuration: inout DatapathConfiguration) {
        configuration.sizes.pods = 20
        configuration.sizes.cidrs = 10
        configuration.sizes.policyRows = 10
        configuration.sizes.portEntries = 30
        configuration.sizes.slots = 40
        configuration.sizes.endpoints = 8
    }

    static let all: [Overflow] = [
        Overflow(map: "pods", setting: "map-pods", size: 20) { changes in
            for index in 1...40 {
                let entry = PeerEntry(identity: 7, slot: 21, endpoint: 0)
                changes.peers.append((address("10.77.0.\(index)"), entry))
            }
        },
        Overflow(map: "cidrs", setting: "map-cidrs", size: 10) { changes in
            for index in 1...40 { changes.prefixes.append((prefix("10.\(index).0.0/16"), 7, 21)) }
        },
        Overflow(map: "policy", setting: "map-policy-rows", size: 10) { changes in
            for index in 1...40 {
                let key = PolicyRowKey(policy: 900, classID: UInt32(index), direction: .egress)
                changes.addedRows.append((key, .denyAll))
            }
        },
        Overflow(map: "ports", setting: "map-port-entries", size: 30) { changes in
            let row = PolicyRow(
                base: .defaultDeny, ports: (0..<20).map { PortVerdict.allow(.tcp, UInt16(100 + 2 * $0)) })
            for index in 1...4 {
                changes.addedRows.append((PolicyRowKey(policy: 900, classID: UInt32(index), direction: .egress), row))
            }
        },
        Overflow(map: "classes", setting: "map-slots", size: 40) { changes in
            changes.classWords.append((40, 9))
        },
        Overflow(map: "endpoints", setting: "map-endpoints", size: 8) { changes in
            let view = EndpointView(
                policy: 1, enforceIngress: false, enforceEgress: false, slot4: 0, slot6: 0, identity: 0)
            changes.views.append((8, view))
        },
    ]
}

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct ApplyFailureTests {
    private static let maps = ["pods", "cidrs", "policy", "ports", "classes", "endpoints", "state"]

    private func contents(_ lab: Lab) throws -> [String: [[String]]] {
        var contents: [String: [[String]]] = [:]
        for map in Self.maps { contents[map] = try #require(try lab.datapath.dump(map: map)).rows }
        return contents
    }

    /// What a dozen packets get.
    private func verdicts(_ lab: Lab) throws -> [Action] {
        var actions: [Action] = []
        for family in Family.allCases {
            for port in [80, 81, 102].map(UInt16.init) {
                for target in [lab.b.address(family), Peers.remote.address(family), Peers.narrow.address(family)] {
                    let talk = Talk(client: lab.a.address(family), server: target, dport: port)
                    actions.append(try lab.send(talk.opening, by: lab.a).action)
                }
            }
        }
        return actions
    }

    @Test(arguments: Overflow.all)
    func `a change that does not fit names the map and leaves all as it was`(overflow: Overflow) throws {
        try Lab.run(Overflow.shrink) { lab throws in
            let row = PolicyRow(
                base: .defaultDeny, ports: (0..<6).map { PortVerdict.allow(.tcp, UInt16(80 + 2 * $0)) })
            try lab.enforce([
                lab.a: TestPolicy(egress: [lab.b.classID: row, Peers.narrow.classID(.ipv4): .allowAll]),
                lab.b: TestPolicy(ingress: [0: .only(.allow(.tcp, 80))]),
            ])
            try lab.datapath.settle()
            let talk = try lab.establish(lab.a, lab.b, .ipv4)
            let before = (try contents(lab), try verdicts(lab))

            // Something of everything, so that all of it has to be taken back.
            var changes = Changeset()
            changes.addedRows = [
                (PolicyRowKey(policy: 800, classID: 0, direction: .egress), .denyAll),
                (PolicyRowKey(policy: 800, classID: 1, direction: .egress), row),
            ]
            changes.classWords = [(Peers.remote.slot, 999), (Peers.narrow.slot, 998)]
            changes.peers = [
                (Peers.narrow.ipv4Address, PeerEntry(identity: 7, slot: 21, endpoint: 0)),
                (Peers.remote.ipv4Address, PeerEntry(identity: 8, slot: 22, endpoint: 0)),
            ]
            changes.prefixes = [(prefix("192.0.2.128/25"), 9, 30), (prefix("192.0.2.128/26"), 9, 30)]
            changes.views = [(lab.a.number, lab.a.view(policy: 800, egress: true))]
            overflow.add(&changes)

            for _ in 0..<2 {
                let error = #expect(throws: DatapathError.self) { try lab.datapath.apply(changes) }
                guard case .mapFull(let map, let size, let setting)? = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
                #expect(map == overflow.map)
                #expect(size == overflow.size)
                #expect(setting == overflow.setting)
                #expect("\(try #require(error))".contains("--\(overflow.setting)"))
                let after = (try contents(lab), try verdicts(lab))
                for map in Self.maps { #expect(after.0[map] == before.0[map], "\(map)") }
                #expect(after.1 == before.1)
            }
            #expect(try lab.send(talk.fromClient(.push), by: lab.a).action == .redirect)
            // What fits goes in afterwards.
            try lab.enforce([lab.a: TestPolicy(egress: [0: .denyAll])])
            #expect(try lab.send(talk.fromClient(.push), by: lab.a).action == .drop(DP_DROP_POLICY_DENY))
        }
    }

    @Test func `a map may be filled to the last entry`() throws {
        try Lab.run(Overflow.shrink) { lab throws in
            let free = try 20 - lab.datapath.set.pods.count()
            var changes = Changeset()
            for index in 1...free {
                changes.peers.append((address("10.77.0.\(index)"), PeerEntry(identity: 7, slot: 21, endpoint: 0)))
            }
            #expect(try lab.datapath.apply(changes).peers == free)
            let usage = try lab.datapath.mapUsage().first { $0.name == "pods" }
            #expect(usage?.entries == 20)
            #expect(usage?.maxEntries == 20)
            #expect(usage?.setting == "map-pods")
        }
    }

    @Test func `an endpoint number beyond the map is refused`() throws {
        try Lab.run { lab throws in
            for number in [0, 32, 65_535].map(UInt16.init) {
                var wrong = lab.a.endpoint
                wrong.number = number
                let error = #expect(throws: DatapathError.self) {
                    try lab.datapath.setEndpoint(wrong, view: lab.a.view(policy: 1))
                }
                guard case .mapFull("endpoints", 32, "map-endpoints")? = error else {
                    Issue.record("\(number): \(String(describing: error))")
                    continue
                }
            }
            let error = #expect(throws: DatapathError.self) { try lab.datapath.attach(9) }
            guard case .noSuchEndpoint(9)? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test func `a policy number that collides with the flags is refused`() throws {
        try Lab.run { lab throws in
            var changes = Changeset()
            changes.views = [(lab.a.number, lab.a.view(policy: 1 << 28))]
            #expect(throws: DatapathError.self) { try lab.datapath.apply(changes) }
            changes.views = [(lab.a.number, lab.a.view(policy: 1 << 28 - 1))]
            #expect(throws: Never.self) { try lab.datapath.apply(changes) }
        }
    }

    @Test func `the usage of every sized map is told with its setting`() throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let usage = try lab.datapath.mapUsage()
            for (map, setting, size) in lab.datapath.configuration.sizes.all where map != "deny_sources" {
                let found = usage.first { $0.name == map }
                #expect(found?.setting == setting, "\(map)")
                #expect(found?.maxEntries == size, "\(map)")
                // A trie takes memory as entries come.
                if !["cidrs", "ports", "nat_prefixes"].contains(map) { #expect(found?.bytes ?? 0 > 0, "\(map)") }
            }
        }
    }
}
