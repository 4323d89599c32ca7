// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import NetTypes
import PolicyEngine
import Synchronization
import TestSupport
import Testing

@testable import Datapath

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct RestartTests {
    private func info(_ lab: Lab, _ pod: TestPod, _ side: PinPaths.Side) throws -> BPFLink.Info {
        try BPFLink(pinned: lab.datapath.paths.link(pod.number, side)).info()
    }

    private func attachAll(_ lab: Lab) throws {
        for pod in lab.pods { try lab.datapath.attach(pod.number) }
    }

    @Test func `pins are one agent's at a time`() throws {
        let pins = try PinMount()
        var lock: PinLock? = try PinLock(pins.path)
        #expect(throws: PinsBusy.self) { try PinLock(pins.path) }
        withExtendedLifetime(lock) {}
        lock = nil
        _ = try PinLock(pins.path)
    }

    @Test func `connections outlive the agent`() throws {
        try Lab.run { lab throws in
            try attachAll(lab)
            let talk = try lab.establish(lab.a, lab.b, .ipv4)
            let ask = Packet.udp(from: lab.a.ipv6, to: Peers.world.ipv6Address, sport: 5, dport: 53)
            _ = try lab.send(ask, by: lab.a)
            let epoch = lab.datapath.shared.epoch
            let new = try lab.packets(at: DP_COUNT_NEW)

            try lab.restart()
            #expect(lab.datapath.shared.epoch >= epoch)
            #expect(try lab.packets(at: DP_COUNT_NEW) == new, "counters, too")
            try attachAll(lab)
            try lab.datapath.finishStart()
            // The ends that answer could not begin: only the table lets them pass.
            try lab.enforce([
                lab.b: TestPolicy(ingress: [0: .allowAll], egress: [:]), lab.a: TestPolicy(ingress: [:]),
            ])
            #expect(try lab.send(talk.fromServer(.push), by: lab.b).action == .redirect)
            #expect(try lab.deliver(ask.reply, to: lab.a).action == .pass)
            #expect(try lab.flow(of: talk.opening)?.has(DP_FLOW_ACKED) == true)
            #expect(try lab.flow(of: talk.opening)?.initiator == talk.client)
            #expect(try lab.flows().count == 2)
        }
    }

    @Test func `links stay and get the new programs`() throws {
        try Lab.run { lab throws in
            try attachAll(lab)
            let before = try lab.pods.flatMap { pod in try PinPaths.Side.allCases.map { try info(lab, pod, $0) } }
            let old = try (lab.datapath.fromEndpoint.info().id, lab.datapath.toEndpoint.info().id)
            #expect(before.map(\.programID) == [old.0, old.1, old.0, old.1, old.0, old.1])
            #expect(
                before.map(\.attachPoint) == [
                    .tcxIngress, .tcxEgress, .tcxIngress, .tcxEgress, .tcxIngress, .tcxEgress,
                ])
            #expect(before.map(\.ifindex) == lab.pods.flatMap { [$0.ifindex, $0.ifindex] })

            try lab.restart()
            // Nothing is live before it is attached.
            let between = try lab.pods.flatMap { pod in try PinPaths.Side.allCases.map { try info(lab, pod, $0) } }
            #expect(between == before)
            try attachAll(lab)
            try lab.datapath.finishStart()
            let after = try lab.pods.flatMap { pod in try PinPaths.Side.allCases.map { try info(lab, pod, $0) } }
            #expect(after.map(\.id) == before.map(\.id), "the same links")
            let new = try (lab.datapath.fromEndpoint.info().id, lab.datapath.toEndpoint.info().id)
            #expect(new.0 != old.0)
            #expect(after.map(\.programID) == [new.0, new.1, new.0, new.1, new.0, new.1])
            #expect(after.map(\.ifindex) == before.map(\.ifindex))
            // The old programs go with the last link that used them.
            #expect(throws: BPFError.self) { _ = try BPFProgram(id: old.0) }
        }
    }

    @Test func `a program is on the device at every moment of a restart`() throws {
        try Lab.run { lab throws in
            try attachAll(lab)
            let watch = try LinkWatch(
                lab.pods.flatMap { pod in
                    PinPaths.Side.allCases.map { (lab.datapath.paths.link(pod.number, $0), pod.ifindex) }
                })
            for _ in 0..<2 {
                try lab.restart()
                try attachAll(lab)
                try lab.datapath.finishStart()
            }
            let seen = watch.stop()
            #expect(seen.gaps == [])
            #expect(seen.looks > 20)
        }
    }

    @Test func `until it is attached the old policy holds, and then the new one`() throws {
        try Lab.run { lab throws in
            try attachAll(lab)
            try lab.enforce([lab.b: .closed])
            try lab.enforce([lab.a: .open])
            // Two changes, the last not settled: killed there.
            try lab.enforce([lab.b: TestPolicy(ingress: [0: .only(.allow(.tcp, 80))])])
            let old = try BPFProgram(id: info(lab, lab.a, .from).programID)
            func verdict(_ port: UInt16) throws -> Int32 {
                let talk = Talk(client: lab.a.ipv4, server: lab.b.ipv4, dport: port)
                let context = SkbContext(ifindex: lab.a.ifindex, ingressIfindex: lab.a.ifindex)
                return try old.testRun(talk.opening.sent(by: lab.a).bytes, context: context).verdict
            }
            #expect(try (verdict(80), verdict(81)) == (7, 2))
            lab.views[lab.b.number] = lab.b.view(policy: 1)
            try lab.restart()
            #expect(try (verdict(80), verdict(81)) == (7, 2), "with the new start's maps filled")
            try lab.noteDrops()
            let talk = Talk(client: lab.a.ipv4, server: lab.b.ipv4, dport: 81)
            #expect(try lab.send(talk.opening, by: lab.a).action == .redirect)
        }
    }

    @Test func `a connection refused by the new policy ends with the start`() throws {
        try Lab.run { lab throws in
            try attachAll(lab)
            let talk = try lab.establish(lab.a, lab.b, .ipv6)
            // The manifests changed while no agent ran: no row of this policy allows anything.
            lab.views[lab.b.number] = lab.b.view(policy: 7, ingress: true, egress: true)
            try lab.restart()
            try attachAll(lab)
            try lab.datapath.finishStart()
            #expect(try lab.send(talk.fromClient(.push), by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test(arguments: [64, 100_000])
    func `a table of another size keeps the connections that fit`(size: Int) throws {
        try Lab.run { lab throws in
            try attachAll(lab)
            var talks: [Talk] = []
            for index in 0..<20 { talks.append(try lab.establish(lab.a, lab.b, .ipv4, sport: UInt16(1_000 + index))) }
            try lab.restart { $0.sizes.flows = size }
            #expect(try lab.flows().count == 20)
            #expect(lab.datapath.shared.flows.maxEntries == size)
            #expect(try BPFMap<flow_key, flow>(pinned: lab.datapath.paths.shared("flows")).maxEntries == size)
            try lab.enforce([lab.b: TestPolicy(ingress: [0: .allowAll], egress: [:])])
            for talk in talks { #expect(try lab.send(talk.fromServer(.push), by: lab.b).action == .redirect) }
            let report = try lab.datapath.collectFlows(timeouts: FlowTimeouts())
            #expect(report.evicted == 0)
            #expect(report.live == 20)
        }
    }

    @Test func `what has no endpoint any more is detached and unpinned by finishStart`() throws {
        try Lab.run { lab throws in
            try attachAll(lab)
            let id = try info(lab, lab.c, .from).id
            try lab.restart()
            // As if this start had never heard of it.
            lab.datapath.endpoints[lab.c.number] = nil
            try lab.datapath.attach(lab.a.number)
            try lab.datapath.attach(lab.b.number)
            try lab.datapath.finishStart()
            let names = try Directory.names(in: lab.datapath.paths.links)
            #expect(Set(names) == ["1-from", "1-to", "2-from", "2-to"])
            #expect(eventually { (try? BPFLink(id: id)) == nil })
        }
    }

    @Test func `a stale link of a number that is used again is replaced`() throws {
        try Lab.run { lab throws in
            try attachAll(lab)
            // Number 3 is of another device now.
            var moved = lab.c.endpoint
            moved.ifindex = lab.uplink
            try lab.restart()
            try lab.datapath.setEndpoint(moved, view: lab.c.view(policy: 1))
            for number in 1...3 { try lab.datapath.attach(UInt16(number)) }
            try lab.datapath.finishStart()
            #expect(try info(lab, lab.c, .from).ifindex == lab.uplink)
            #expect(try info(lab, lab.c, .to).ifindex == lab.uplink)
        }
    }

    @Test func `what a version with other maps left is gone after finishStart`() throws {
        try Lab.run { lab throws in
            try attachAll(lab)
            let older = "\(lab.datapath.paths.root)/maps-1"
            try Directory.create(older)
            try BPFMap<UInt32, UInt32>(creating: .hash, name: "flows", maxEntries: 4).pin(to: older + "/flows")
            let talk = try lab.establish(lab.a, lab.b, .ipv4)
            try lab.datapath.finishStart()
            #expect(try !Directory.names(in: lab.datapath.paths.root).contains("maps-1"))
            #expect(try MapHandle(pinned: lab.datapath.paths.shared("flows")).info.name == "flows")
            #expect(try lab.send(talk.fromClient(.push), by: lab.a).action == .redirect)
        }
    }

    @Test func `a pin that is lost is made again`() throws {
        try Lab.run { lab throws in
            for name in SharedMaps.names {
                try attachAll(lab)
                let talk = try lab.establish(lab.a, lab.b, .ipv4)
                _ = try lab.establish(lab.a, lab.c, .ipv4)
                try BPFPin.remove(lab.datapath.paths.shared(name))
                try lab.restart()
                try attachAll(lab)
                try lab.datapath.finishStart()
                #expect(try MapHandle(pinned: lab.datapath.paths.shared(name)).info.name == name)
                #expect(try lab.send(talk.fromClient(.push), by: lab.a).action == .redirect, "\(name)")
                #expect(try lab.datapath.collectFlows(timeouts: FlowTimeouts()).evicted == 0, "\(name)")
            }
        }
    }

    @Test func `a map of another layout under a pin is replaced`() throws {
        try Lab.run { lab throws in
            try attachAll(lab)
            for name in ["flows", "counters"] {
                let path = lab.datapath.paths.shared(name)
                let wrong = try MapHandle(creating: .hash, name: "wrong", keySize: 4, valueSize: 4, maxEntries: 8192)
                try wrong.pin(to: path, replacing: true)
            }
            try lab.restart()
            _ = try lab.establish(lab.a, lab.b, .ipv4)
            #expect(try BPFMap<flow_key, flow>(pinned: lab.datapath.paths.shared("flows")).count() == 1)
        }
    }

    @Test func `an endpoint that is removed leaves nothing`() throws {
        try Lab.run { lab throws in
            try attachAll(lab)
            try lab.datapath.removeEndpoint(lab.c.number)
            try lab.datapath.removeEndpoint(lab.c.number)
            try lab.datapath.removeEndpoint(17)
            #expect(lab.datapath.set.endpoints[Int(lab.c.number)].ifindex == 0)
            #expect(try !Directory.names(in: lab.datapath.paths.links).contains { $0.hasPrefix("3-") })
            let talk = Talk(client: lab.a.ipv4, server: lab.c.ipv4)
            #expect(try lab.send(talk.opening, by: lab.a).action == .drop(DP_DROP_NO_ENDPOINT))
            #expect(try lab.send(talk.fromServer(.ack), by: lab.c).action == .drop(DP_DROP_NO_ENDPOINT))
        }
    }

    @Test func `detachAll takes everything out of the kernel`() throws {
        try Lab.run { lab throws in
            try attachAll(lab)
            let ids = try lab.pods.map { try info(lab, $0, .from).id }
            lab.isSpoilt = true
            try lab.datapath.detachAll()
            for id in ids { #expect(eventually { (try? BPFLink(id: id)) == nil }) }
            #expect(try Directory.namesIfThere(in: lab.datapath.paths.root) == [])
        }
    }
}

/// Looks at pinned links without a pause, from a thread of its own.
private final class LinkWatch: Sendable {
    private let gaps = Mutex<[String]>([])
    private let looks = Atomic<Int>(0)
    private let stopping = Atomic<Bool>(false)
    private let ended = Atomic<Bool>(false)

    init(_ links: [(path: String, ifindex: UInt32)]) throws {
        try WorkerThread.start("link-watch") { [self] in
            while !stopping.load(ordering: .relaxed) {
                for (path, ifindex) in links {
                    do {
                        let info = try BPFLink(pinned: path).info()
                        if info.ifindex != ifindex || info.programID == 0 { note("\(path): \(info)") }
                    } catch {
                        note("\(error)")
                    }
                }
                looks.add(1, ordering: .relaxed)
            }
            ended.store(true, ordering: .releasing)
        }
    }

    private func note(_ gap: String) { gaps.withLock { if $0.count < 10 { $0.append(gap) } } }

    func stop() -> (gaps: [String], looks: Int) {
        stopping.store(true, ordering: .relaxed)
        _ = eventually(timeout: .seconds(10)) { ended.load(ordering: .acquiring) }
        return (gaps.withLock { $0 }, looks.load(ordering: .relaxed))
    }
}
