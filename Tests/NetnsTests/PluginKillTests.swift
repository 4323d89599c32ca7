// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import NetTypes
import Netlink
import TestSupport
import Testing

extension NetnsTests {
    @Suite(.enabled(if: Stepper.isPossible(), "this process may not trace its children"))
    struct PluginKillTests {
        /// Runs a call that is killed at its first system call, another at its second, and so on, until one gets through.
        private static func killEverywhere(
            _ node: TestNode, _ command: String, prepare: (TestPod) throws -> Void = { _ in },
            after: (TestPod, Int) throws -> Void
        ) throws {
            for number in 1...2_000 {
                let pod = try TestPod(on: node, "pod-\(number)")
                try prepare(pod)
                let outcome = try Stepper.run(pod.call(command), on: node, killingAt: number)
                guard outcome.exit == .signal(9) else {
                    // It made no more system calls than that.
                    #expect(outcome.exit == .code(0), "\(outcome.output)")
                    #expect(number > 20)
                    try pod.del()
                    return
                }
                try after(pod, number)
            }
            Issue.record("\(command) does not end")
        }

        private static func expectUnwired(_ pod: TestPod, _ number: Int) throws {
            #expect(try pod.namespace.netlink { try $0.links() }.map(\.name) == ["lo"], "\(number)")
        }

        /// Whether the host side is up, which is the last thing that ADD does.
        private static func isWired(_ pod: TestPod) throws -> Bool {
            let info = try pod.node.client.endpoints().first { $0.containerID == pod.containerID }
            guard let info, info.state == .ready else { return false }
            return try pod.node.namespace.netlink { try $0.link(.name(info.hostInterface))?.isUp == true }
        }

        @Test func `an ADD that was killed anywhere is made good by the next one`() throws {
            try TestNode.with { node in
                let before = try node.traces()
                try Self.killEverywhere(node, "ADD") { pod, number in
                    var outcome = try pod.tryAdd()
                    if outcome.error?.code == 102 {
                        // It had done everything but say so: as for the runtime, what is there has to be deleted first.
                        #expect(try Self.isWired(pod), "system call \(number)")
                        try pod.del()
                        outcome = try pod.tryAdd()
                    }
                    #expect(outcome.isSuccess, "system call \(number): \(outcome.output)")
                    let check = try pod.check(outcome.output)
                    #expect(check.isSuccess, "system call \(number): \(check.output)")
                    try pod.del()
                    try Self.expectUnwired(pod, number)
                }
                #expect(try node.traces() == before)
                try node.restart()
                #expect(try node.traces() == before)
            }
        }

        @Test func `an ADD that was killed anywhere is taken back by DEL`() throws {
            try TestNode.with { node in
                let before = try node.traces()
                try Self.killEverywhere(node, "ADD") { pod, number in
                    try pod.del()
                    try Self.expectUnwired(pod, number)
                }
                #expect(try node.traces() == before)
            }
        }

        @Test func `what killed ADDs left is gone after the agent's next start`() throws {
            try TestNode.with(ranges: [prefix("10.244.0.0/21"), TestNode.range6]) { node in
                let before = try node.traces()
                var pods: [TestPod] = []
                try Self.killEverywhere(node, "ADD") { pod, _ in pods.append(pod) }
                try node.kill()
                try node.start()
                // Those that had done everything but say so are there, until the runtime deletes them.
                let whole = Set(try node.client.endpoints().map(\.containerID))
                for (index, pod) in pods.enumerated() {
                    if whole.contains(pod.containerID) {
                        #expect(try Self.isWired(pod))
                        try pod.del()
                    }
                    try Self.expectUnwired(pod, index + 1)
                }
                #expect(whole.count < pods.count / 4)
                #expect(try node.traces() == before)
            }
        }

        @Test func `a DEL that was killed anywhere is made good by the next one`() throws {
            try TestNode.with { node in
                let before = try node.traces()
                try Self.killEverywhere(node, "DEL", prepare: { try $0.add() }) { pod, number in
                    try pod.del()
                    try Self.expectUnwired(pod, number)
                }
                #expect(try node.traces() == before)
            }
        }
    }
}
