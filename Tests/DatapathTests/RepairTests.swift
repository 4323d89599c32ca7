// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

/// Something that somebody did to the maps behind the agent's back.
struct Damage: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// What the report must speak of.
    let map: String
    let run: @Sendable (Lab) throws -> Void

    init(_ name: String, _ map: String, _ run: @escaping @Sendable (Lab) throws -> Void) {
        testDescription = name
        self.map = map
        self.run = run
    }

    private static func key(_ lab: Lab, _ classID: UInt32, _ direction: Direction) -> policy_key {
        let policy = lab.views[lab.a.number]?.policy ?? 0
        return PolicyRowReference(PolicyRowKey(policy: policy, classID: classID, direction: direction)).key
    }

    static let all: [Damage] = [
        Damage("a row is gone", "policy") { lab in
            _ = try lab.datapath.set.policy.delete(key(lab, lab.b.classID, .egress))
        },
        Damage("the row for everybody is gone", "policy") { lab in
            _ = try lab.datapath.set.policy.delete(key(lab, 0, .egress))
        },
        Damage("a row says something else", "policy") { lab in
            let key = key(lab, 0, .egress)
            var row = try #require(try lab.datapath.set.policy.lookup(key))
            row.base_verdict = DP_VERDICT_ALLOW.rawValue
            try lab.datapath.set.policy.update(key, row)
        },
        Damage("a port in a row is another", "policy") { lab in
            let key = key(lab, lab.b.classID, .egress)
            var row = try #require(try lab.datapath.set.policy.lookup(key))
            row.port.0.last = 9_999
            try lab.datapath.set.policy.update(key, row)
        },
        Damage("a row that nobody wants", "policy") { lab in
            var row = policy_row()
            row.base_verdict = DP_VERDICT_ALLOW.rawValue
            try lab.datapath.set.policy.update(key(lab, Peers.remote.classID(.ipv4), .egress), row)
        },
        Damage("an entry of a table of ports is gone", "policy") { lab in
            let ports = try lab.datapath.set.ports.entries()
            _ = try lab.datapath.set.ports.delete(try #require(ports.first).key)
        },
        Damage("an entry of a table of ports says something else", "policy") { lab in
            for (key, value) in try lab.datapath.set.ports.entries() {
                var value = value
                value.verdict = DP_VERDICT_DENY.rawValue
                try lab.datapath.set.ports.update(key, value)
            }
        },
        Damage("a class word is another", "classes") { lab in
            lab.datapath.set.classes.storeWord(at: Int(lab.b.slot), \.class_id, 77)
        },
        Damage("an address is gone", "pods") { lab in
            _ = try lab.datapath.set.pods.delete(dp_addr(lab.b.ipv4))
        },
        Damage("an address is somebody else's", "pods") { lab in
            let entry = pod_entry(identity: 1, slot: 2, endpoint: 0, flags: DP_POD_HOST.rawValue, node: 0)
            try lab.datapath.set.pods.update(dp_addr(lab.b.ipv6), entry)
        },
        Damage("an address that nobody knows", "pods") { lab in
            let entry = pod_entry(identity: 1, slot: lab.b.slot, endpoint: 0, flags: 0, node: 0)
            try lab.datapath.set.pods.update(dp_addr(Peers.world.ipv4Address), entry)
        },
        Damage("a prefix is gone", "cidrs") { lab in
            _ = try lab.datapath.set.cidrs.delete(cidr_key(prefix("192.0.2.128/25")))
        },
        Damage("a prefix is another's", "cidrs") { lab in
            try lab.datapath.set.cidrs.update(
                cidr_key(prefix("2001:db8::/32")), cidr_entry(identity: 1, slot: lab.b.slot))
        },
        Damage("a prefix that nobody knows", "cidrs") { lab in
            try lab.datapath.set.cidrs.update(
                cidr_key(prefix("203.0.113.0/24")), cidr_entry(identity: 1, slot: lab.b.slot))
        },
        Damage("a view is of another policy", "endpoints") { lab in
            let open = try #require(lab.views[lab.c.number]).policy
            for phase in 0..<2 {
                lab.datapath.set.endpoints.storeWord(
                    at: Int(lab.a.number), offset: phase * MemoryLayout<endpoint_view>.size, open)
            }
        },
        Damage("the view that isn't live is of another policy", "endpoints") { lab in
            let dead = Int(lab.datapath.shared.epoch & 1) ^ 1
            lab.datapath.set.endpoints.storeWord(
                at: Int(lab.a.number), offset: dead * MemoryLayout<endpoint_view>.size, 0)
        },
        Damage("an endpoint's device is gone from its element", "endpoints") { lab in
            lab.datapath.set.endpoints.storeWord(at: Int(lab.a.number), \.ifindex, 0)
        },
        Damage("an endpoint has another address", "endpoints") { lab in
            var element = lab.datapath.set.endpoints[Int(lab.a.number)]
            element.ipv4 = 0x0102_0304
            lab.datapath.set.endpoints[Int(lab.a.number)] = element
        },
        Damage("a link is detached", "links") { lab in
            try BPFLink(pinned: lab.datapath.paths.link(lab.a.number, .from)).detach()
        },
        Damage("a link's pin is gone", "links") { lab in
            try BPFPin.remove(lab.datapath.paths.link(lab.b.number, .to))
        },
        Damage("the links' folder is gone", "links") { lab in
            try Directory.removeTree(lab.datapath.paths.links)
        },
    ]
}

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct RepairTests {
    /// A policy with rows of every form, and all that should be in the maps.
    private func desired(_ lab: Lab) throws -> Changeset {
        let many = PolicyRow(
            base: .defaultDeny, ports: (0..<6).map { PortVerdict.allow(.tcp, UInt16(80 + 2 * $0)) })
        let changes = lab.changeset([
            lab.a: TestPolicy(egress: [0: .denyAll, lab.b.classID: .only(.allow(.tcp, 80)), lab.c.classID: many])
        ])
        try lab.datapath.apply(changes)
        try lab.datapath.settle()
        var all = lab.base()
        all.addedRows = changes.addedRows
        return all
    }

    private func verdicts(_ lab: Lab) throws -> [Action] {
        var actions: [Action] = []
        for family in Family.allCases {
            let peers = [Peers.remote, Peers.wide, Peers.narrow, Peers.world].map { $0.address(family) }
            for target in peers + [lab.b.address(family), lab.c.address(family)] {
                for port in [80, 82, 9_000].map(UInt16.init) {
                    let talk = Talk(client: lab.a.address(family), server: target, dport: port)
                    actions.append(try lab.send(talk.opening, by: lab.a).action)
                }
            }
        }
        return actions
    }

    @Test func `nothing is done where nothing is wrong`() throws {
        try Lab.run { lab throws in
            let desired = try desired(lab)
            let epoch = lab.datapath.shared.epoch
            let report = try lab.datapath.verifyAndRepair(against: desired)
            // Links are only there where something is attached; these pods have none.
            #expect(report.repaired.filter { !$0.hasPrefix("links") } == [])
            #expect(report.checked > 20)
            let attached = lab.datapath.shared.epoch
            #expect(try lab.datapath.verifyAndRepair(against: desired).repaired == [])
            #expect(lab.datapath.shared.epoch == attached)
            #expect(epoch <= attached)
        }
    }

    @Test(arguments: Damage.all)
    func `damage is found, told and put right`(damage: Damage) throws {
        try Lab.run { lab throws in
            let desired = try desired(lab)
            for pod in lab.pods { try lab.datapath.attach(pod.number) }
            let before = try verdicts(lab)
            let first = try lab.datapath.verifyAndRepair(against: desired)
            #expect(first.repaired == [])

            try damage.run(lab)
            let epoch = lab.datapath.shared.epoch
            var report = RepairReport()
            // A link that has lost its last holder goes a little later; until then its place is taken.
            _ = try eventually {
                report = try lab.datapath.verifyAndRepair(against: desired)
                return !report.repaired.isEmpty
            }
            #expect(!report.repaired.isEmpty)
            #expect(report.repaired.allSatisfy { $0.hasPrefix(damage.map) }, "\(report.repaired)")
            #expect(lab.datapath.shared.epoch == epoch &+ 2, "flows are judged again")
            #expect(try verdicts(lab) == before)
            #expect(try lab.datapath.verifyAndRepair(against: desired).repaired == [])
            for pod in lab.pods {
                for side in PinPaths.Side.allCases {
                    #expect(
                        try BPFLink(pinned: lab.datapath.paths.link(pod.number, side)).info().ifindex == pod.ifindex)
                }
            }
        }
    }

    @Test func `what a repair writes is not taken away by the next settle`() throws {
        try Lab.run { lab throws in
            let desired = try desired(lab)
            for pod in lab.pods { try lab.datapath.attach(pod.number) }
            // A change that is not settled yet.
            try lab.enforce([lab.b: .closed])
            var all = lab.base()
            all.addedRows = desired.addedRows
            #expect(try lab.datapath.verifyAndRepair(against: all).repaired == [])
            try lab.datapath.settle()
            #expect(try lab.datapath.verifyAndRepair(against: all).repaired == [])
        }
    }

    @Test func `a class word of the world is put right`() throws {
        try Lab.run { lab throws in
            for pod in lab.pods { try lab.datapath.attach(pod.number) }
            // No selector matches the world: its class is 0, which no changeset has to say.
            var desired = lab.base()
            desired.classWords.removeAll { $0.slot <= 1 }
            for slot in 0...1 { lab.datapath.set.classes.storeWord(at: slot, \.class_id, 0) }
            #expect(try lab.datapath.verifyAndRepair(against: desired).repaired == [])
            lab.datapath.set.classes.storeWord(at: 0, \.class_id, lab.b.classID)
            #expect(try lab.datapath.verifyAndRepair(against: desired).repaired.count == 1)
            #expect(lab.datapath.set.classes.loadWord(at: 0, \.class_id) == 0)
        }
    }
}
