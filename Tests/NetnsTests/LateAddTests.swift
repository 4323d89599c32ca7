// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import NetTypes
import Netlink
import TestSupport
import Testing

extension NetnsTests {
    /// An ADD that hangs, until the runtime has given it up and added the container again, and goes on then.
    @Suite(.enabled(if: Stepper.isPossible(), "this process may not trace its children"))
    struct LateAddTests {
        /// Stops an ADD at its first system call, another at its second, and so on, until one ends before.
        private static func stopEverywhere(_ node: TestNode, _ body: (TestPod) throws -> PluginOutcome) throws {
            for number in 1...2_000 {
                let pod = try TestPod(on: node, "pod-\(number)")
                var second: Result<PluginOutcome, any Error>?
                let late = try Stepper.run(pod.call("ADD"), on: node, stoppingAt: number) {
                    second = Result { try body(pod) }
                }
                guard let outcome = try second?.get() else {
                    #expect(number > 20)
                    try pod.del()
                    return
                }
                try expectOne(pod, outcome, late, "system call \(number)")
                try pod.del()
            }
            Issue.record("ADD does not end")
        }

        /// If the second ADD has made a network, it is there to the end.
        private static func expectOne(
            _ pod: TestPod, _ second: PluginOutcome, _ late: Stepper.Outcome, _ place: Comment
        ) throws {
            guard second.isSuccess else {
                // The first one was through but for its last words.
                #expect(second.error?.code == 102, place)
                #expect(late.exit == .code(0), place)
                return
            }
            let check = try pod.check(second.output)
            #expect(check.isSuccess, "\(place): \(check.output), late: \(late.output)")
            let info = try #require(try pod.node.client.endpoints().first { $0.containerID == pod.containerID })
            #expect(info.state == .ready, place)
            let link = try pod.node.namespace.netlink { try $0.link(.name(info.hostInterface)) }
            #expect(link?.isUp == true, place)
            #expect(link.map { UInt32(bitPattern: $0.index) } == info.hostIfindex, place)
        }

        @Test func `takes nothing from the ADD that was faster`() throws {
            try TestNode.with(ranges: [prefix("10.244.0.0/21"), TestNode.range6]) { node in
                let before = try node.traces()
                try Self.stopEverywhere(node) { pod in try pod.tryAdd() }
                #expect(try node.traces() == before)
            }
        }

        @Test func `takes nothing from the ADD that came after DEL`() throws {
            try TestNode.with(ranges: [prefix("10.244.0.0/21"), TestNode.range6]) { node in
                let before = try node.traces()
                try Self.stopEverywhere(node) { pod in
                    try pod.del()
                    return try pod.tryAdd()
                }
                #expect(try node.traces() == before)
            }
        }
    }
}
