// SPDX-License-Identifier: Apache-2.0
import BPF
import BenchReport
import Datapath
import Foundation
import Kernel
import Model
import NetTypes
import PolicyEngine
import TestSupport

/// What a change costs with 10,000 identities and 1,000 policies in the maps.
struct PolicyBench {
    let objects: String
    let programs: String

    func run(into report: inout Report) throws {
        print("policy: 10,000 identities, 1,000 policies, 100 endpoints")
        let pins = try TemporaryDirectory.forPins()
        try ScratchNamespace.run { try measure(pins.path, &report) }
    }

    private func measure(_ pins: String, _ report: inout Report) throws {
        let datapath = try Datapath(
            DatapathConfiguration(pinDirectory: pins, objectDirectory: objects))
        var compiler = Cluster.compiler()
        let start = Self.now()
        let first = compiler.commit()
        let compiled = Self.now()
        try datapath.apply(first)
        report.add("compile everything from nothing", (compiled - start) * 1e3, "ms")
        report.add("write it all to the maps", (Self.now() - compiled) * 1e3, "ms")
        report.add("rows in the policy map", Double(first.addedRows.count), "rows")
        try place(first.views, in: datapath)

        try onePod(&compiler, datapath, &report)
        try onePolicy(&compiler, datapath, &report)
        try datapath.detachAll()
    }

    /// Endpoints need an element, so that their views switch as in life.
    private func place(_ views: [(endpoint: UInt16, view: EndpointView)], in datapath: Datapath) throws {
        for (number, view) in views {
            try datapath.setEndpoint(
                LocalEndpoint(
                    number: number, ifindex: 10_000 + UInt32(number), hostInterface: "none",
                    mac: MACAddress(value: UInt64(number)), ipv4: Cluster.ipv4(Int(number) - 1), ipv6: nil),
                view: view)
        }
    }

    /// Another pod with an identity of its own, whose labels mean the same to every selector as those of a known one.
    private func onePod(
        _ compiler: inout PolicyCompiler, _ datapath: Datapath, _ report: inout Report
    ) throws {
        var times: [Double] = [], words = 0, others = 0
        for extra in 0..<100 {
            let like = Cluster.labels(5_000 + extra)
            let labels = SecurityLabels(
                namespace: like.namespace, namespaceLabels: like.namespaceLabels,
                podLabels: ["app": "app-\((5_000 + extra) / 100)", "tier": "tier-1", "id": "extra-\(extra)"])
            let start = Self.now()
            compiler.stage(.pod(labels, namedPorts: []), at: IPAddress(v4: 0x0a80_0000 + UInt32(extra)))
            let changes = compiler.commit()
            let written = try datapath.apply(changes)
            times.append(Self.now() - start)
            words = max(words, written.classWords)
            others = max(others, written.rows + written.portEntries + written.prefixes + written.views)
        }
        report.add("one more pod of a known kind: class rows written", Double(words), "rows", goal: .atMost(1))
        report.add("one more pod of a known kind: policy rows and views", Double(others), "rows", goal: .atMost(0))
        report.add("one more pod of a known kind, live", median(times) * 1e6, "us")
    }

    /// A new policy with selectors of its own for the pods of one namespace, from staging to the switch.
    private func onePolicy(
        _ compiler: inout PolicyCompiler, _ datapath: Datapath, _ report: inout Report
    ) throws {
        var times: [Double] = [], rows: [Double] = [], settle: [Double] = []
        for round in 0..<40 {
            let reference = ObjectReference(kind: "NetworkPolicy", namespace: "ns-\(round)", name: "fresh")
            let peers = PodSelector(
                namespaces: .matching(LabelSelector()),
                pods: LabelSelector(matchLabels: ["tier": "tier-\(round % 5)"]))
            let object = PolicyObject(
                reference: reference, subject: PodSelector(namespaces: .named("ns-\(round)")),
                defaultDeny: [.ingress],
                rules: [
                    PolicyRule(
                        action: .allow, direction: .ingress, peers: [.pods(peers)],
                        ports: [.range(.tcp, PortRange(9_000 + UInt16(round)))],
                        origin: RuleOrigin(object: reference, direction: .ingress, index: 0))
                ])
            let start = Self.now()
            compiler.stage(object)
            let changes = compiler.commit()
            let written = try datapath.apply(changes)
            let live = Self.now()
            try datapath.settle()
            times.append(live - start)
            settle.append(Self.now() - live)
            rows.append(Double(written.rows))
        }
        report.add("a new policy, live (median)", median(times) * 1e3, "ms", goal: .atMost(10))
        report.add("a new policy, live (worst of 40)", (times.max() ?? .nan) * 1e3, "ms", goal: .atMost(10))
        report.add("a new policy: rows written (median)", median(rows), "rows")
        report.add("a new policy: clean-up afterwards (median)", median(settle) * 1e3, "ms")
    }

    static func now() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
