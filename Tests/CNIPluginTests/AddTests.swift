// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import CNIPlugin
import Foundation
import NetTypes
import Testing

private let path = "/v1/endpoints/c0ffee/eth0"
private let host = PluginTestCase.host
private let key = PluginTestCase.key

@Suite struct AddTests {
    static let wholeADD = [
        "openNamespace /run/netns/a", "createVeth", "POST /v1/endpoints", "configurePod", "POST \(path)/attach",
        "bringUpHost",
    ]

    @Test func `wires in order, on one connection`() throws {
        try withPlugin { test in
            #expect(test.run("ADD").exitCode == 0)
            #expect(test.agent.log.take() == Self.wholeADD)
            #expect(test.agent.connections == 1)
            #expect(test.agent.endpoints == [key: .ready])
            #expect(test.wiring.hostLinks == [host: true])
            let attach = test.agent.body(of: "POST \(path)/attach")
            #expect(attach == #"{"attempt":"1a","hostIfindex":42}"#)
        }
    }

    @Test func `works while the agent works`() throws {
        try withPlugin { test in
            let agent = test.agent
            var asked: [String: Bool] = [:]
            func wait(for request: String) {
                asked[request] = eventually { agent.body(of: request) != nil }
            }
            test.wiring.beforeCreating = { wait(for: "POST /v1/endpoints") }
            test.wiring.beforeConfiguring = { wait(for: "POST \(path)/attach") }
            #expect(test.run("ADD").exitCode == 0)
            #expect(asked == ["POST /v1/endpoints": true, "POST \(path)/attach": true])
        }
    }

    @Test(arguments: [
        (
            "0.3.1",
            #"{"cniVersion":"0.3.1","interfaces":[{"mac":"0a:5c:00:00:00:07","name":"HOST"},"#
                + #"{"mac":"0a:5c:01:00:00:07","name":"eth0","sandbox":"/run/netns/a"}],"#
                + #""ips":[{"address":"10.0.0.5/32","gateway":"169.254.1.1","interface":1,"version":"4"},"#
                + #"{"address":"fd00::5/128","gateway":"fe80::1","interface":1,"version":"6"}],"#
                + #""routes":[{"dst":"0.0.0.0/0","gw":"169.254.1.1"},{"dst":"::/0","gw":"fe80::1"}]}"#
        ),
        (
            "0.4.0",
            #"{"cniVersion":"0.4.0","interfaces":[{"mac":"0a:5c:00:00:00:07","name":"HOST"},"#
                + #"{"mac":"0a:5c:01:00:00:07","name":"eth0","sandbox":"/run/netns/a"}],"#
                + #""ips":[{"address":"10.0.0.5/32","gateway":"169.254.1.1","interface":1,"version":"4"},"#
                + #"{"address":"fd00::5/128","gateway":"fe80::1","interface":1,"version":"6"}],"#
                + #""routes":[{"dst":"0.0.0.0/0","gw":"169.254.1.1"},{"dst":"::/0","gw":"fe80::1"}]}"#
        ),
        (
            "1.0.0",
            #"{"cniVersion":"1.0.0","interfaces":[{"mac":"0a:5c:00:00:00:07","name":"HOST"},"#
                + #"{"mac":"0a:5c:01:00:00:07","name":"eth0","sandbox":"/run/netns/a"}],"#
                + #""ips":[{"address":"10.0.0.5/32","gateway":"169.254.1.1","interface":1},"#
                + #"{"address":"fd00::5/128","gateway":"fe80::1","interface":1}],"#
                + #""routes":[{"dst":"0.0.0.0/0","gw":"169.254.1.1"},{"dst":"::/0","gw":"fe80::1"}]}"#
        ),
        (
            "1.1.0",
            #"{"cniVersion":"1.1.0","interfaces":[{"mac":"0a:5c:00:00:00:07","mtu":1450,"name":"HOST"},"#
                + #"{"mac":"0a:5c:01:00:00:07","mtu":1450,"name":"eth0","sandbox":"/run/netns/a"}],"#
                + #""ips":[{"address":"10.0.0.5/32","gateway":"169.254.1.1","interface":1},"#
                + #"{"address":"fd00::5/128","gateway":"fe80::1","interface":1}],"#
                + #""routes":[{"dst":"0.0.0.0/0","gw":"169.254.1.1"},{"dst":"::/0","gw":"fe80::1"}]}"#
        ),
    ])
    func `prints the result of its version`(version: String, expected: String) throws {
        try withPlugin { test in
            test.version = version
            let outcome = test.run("ADD")
            #expect(outcome.output == expected.replacingOccurrences(of: "HOST", with: host))
            #expect(outcome.exitCode == 0)
        }
    }

    @Test(arguments: [true, false])
    func `one family alone is enough`(isIPv4: Bool) throws {
        try withPlugin { test in
            test.extra = #","dns":{"nameservers":["10.0.0.10"],"search":["a"]}"#
            test.version = "1.0.0"
            test.agent.change { if isIPv4 { $0.ipv6 = nil } else { $0.ipv4 = nil } }
            let ip = isIPv4 ? ("10.0.0.5/32", "169.254.1.1", "0.0.0.0/0") : ("fd00::5/128", "fe80::1", "::/0")
            #expect(
                test.run("ADD").output
                    == #"{"cniVersion":"1.0.0","dns":{"nameservers":["10.0.0.10"],"search":["a"]},"#
                    + #""interfaces":[{"mac":"0a:5c:00:00:00:07","name":"\#(host)"},"#
                    + #"{"mac":"0a:5c:01:00:00:07","name":"eth0","sandbox":"/run/netns/a"}],"#
                    + #""ips":[{"address":"\#(ip.0)","gateway":"\#(ip.1)","interface":1}],"#
                    + #""routes":[{"dst":"\#(ip.2)","gw":"\#(ip.1)"}]}"#)
            #expect(test.wiring.plan?.hasIPv6 == !isIPv4)
            #expect(test.wiring.plan?.legs.count == 1)
        }
    }

    @Test func `tells the agent what the runtime said`() throws {
        try withPlugin { test in
            test.environment["CNI_ARGS"] =
                "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u;SKEIN_LABELS=a=b"
            #expect(test.run("ADD").exitCode == 0)
            let body = test.agent.body(of: "POST /v1/endpoints")
            #expect(
                body == #"{"attempt":"1a","containerID":"c0ffee","interface":"eth0","labels":{"a":"b"},"#
                    + #""netns":"/run/netns/a","network":"pods","podName":"web","podNamespace":"shop","podUID":"u"}"#)
        }
    }

    @Test(arguments: ["10.0.0.5", nil] as [String?])
    func `an agent that hands out no usable address is refused`(wrong: String?) throws {
        try withPlugin { test in
            test.agent.change {
                $0.ipv4 = nil
                $0.ipv6 = wrong.flatMap { IPAddress($0) }
            }
            #expect(PluginTestCase.code(test.run("ADD")) == 6)
            #expect(test.agent.endpoints.isEmpty)
            #expect(test.wiring.hostLinks.isEmpty)
        }
    }

    @Test func `a prevResult touches nothing`() throws {
        try withPlugin { test in
            test.extra = #","prevResult":{"cniVersion":"1.1.0","ips":[]}"#
            let error = try #require(PluginTestCase.error(test.run("ADD")))
            #expect(error.code == 2)
            #expect(error.msg.hasPrefix(#"prevResult {"cniVersion":"1.1.0","ips":[]}: chaining is not supported"#))
            #expect(test.agent.log.take().isEmpty)
        }
    }
}

/// A step of ADD that fails takes back what was done before it.
@Suite struct AddRollbackTests {
    @Test(arguments: [
        (WiringError.Kind.noNamespace, 3), (.notANamespace, 4), (.failed, 101),
    ])
    func `without the namespace nothing is asked for`(kind: WiringError.Kind, code: Int) throws {
        try withPlugin { test in
            test.wiring.fault = ("openNamespace", WiringError(kind, "no"))
            let error = try #require(PluginTestCase.error(test.run("ADD")))
            #expect(error.code == code)
            #expect(error.msg == "no")
            #expect(test.agent.log.take() == ["openNamespace /run/netns/a"])
        }
    }

    /// What the agent was asked for meanwhile is done, too.
    @Test(arguments: [("createVeth", 3), ("configurePod", 5), ("bringUpHost", 6)])
    func `a step in the kernel that fails`(step: String, done: Int) throws {
        try withPlugin { test in
            test.wiring.fault = (step, WiringError(.failed, "\(step): Cannot allocate memory (ENOMEM)"))
            let error = try #require(PluginTestCase.error(test.run("ADD")))
            #expect(error.code == 101)
            #expect(error.msg == "\(step): Cannot allocate memory (ENOMEM)")
            #expect(error.details == nil)
            let steps = AddTests.wholeADD.prefix(done) + ["deleteOwnVeth", "POST \(path)/release"]
            #expect(test.agent.log.take() == Array(steps))
            #expect(test.wiring.hostLinks.isEmpty)
            #expect(test.wiring.podLinks.isEmpty)
            #expect(test.agent.endpoints.isEmpty)
            #expect(test.tombstones.isEmpty)
        }
    }

    @Test(arguments: [
        (FakeAgent.Reply.error(507, "exhausted", retryable: true), 11),
        (.error(409, "conflict"), 100), (FakeAgent.Reply(status: 503, body: ""), 11),
        (FakeAgent.Reply(body: "{}"), 6), (FakeAgent.Reply(body: "x"), 6),
    ])
    func `an allocation that is refused leaves nothing to take back`(reply: FakeAgent.Reply, code: Int) throws {
        try withPlugin { test in
            test.agent.change { $0.faults["POST /v1/endpoints"] = .reply(reply) }
            #expect(PluginTestCase.code(test.run("ADD")) == code)
            #expect(
                test.agent.log.take()
                    == ["openNamespace /run/netns/a", "createVeth", "POST /v1/endpoints", "deleteOwnVeth"])
            #expect(test.wiring.hostLinks.isEmpty)
        }
    }

    @Test(arguments: [
        (FakeAgent.Fault.reply(.error(500, "kernel")), 100, "no: kernel"),
        (.reply(.error(507, "exhausted", retryable: true)), 11, "no: exhausted"),
        (.hangUp, 11, "the agent closed the connection (POST \(path)/attach)"),
        (.doneInSilence, 11, "the agent did not answer in time (POST \(path)/attach)"),
    ])
    func `an attach that fails`(fault: FakeAgent.Fault, code: Int, message: String) throws {
        try withPlugin { test in
            test.timeouts.attach = .milliseconds(100)
            test.agent.change { $0.faults["attach"] = fault }
            let error = try #require(PluginTestCase.error(test.run("ADD")))
            #expect(error.code == code)
            #expect(error.msg == message)
            // A connection that broke is tried once more, as the agent may have been restarted.
            let expected = AddTests.wholeADD.prefix(5) + ["deleteOwnVeth", "POST \(path)/release"]
            #expect(Set(test.agent.log.take()) == Set(expected))
            #expect(test.wiring.hostLinks.isEmpty)
            #expect(test.agent.endpoints.isEmpty)
        }
    }

    @Test func `an agent that hangs in the rollback is left a note`() throws {
        try withPlugin { test in
            test.timeouts.rollback = .milliseconds(50)
            test.wiring.fault = ("configurePod", WiringError(.failed, "no"))
            test.agent.change { $0.faults["release"] = .silence }
            let error = try #require(PluginTestCase.error(test.run("ADD")))
            #expect(error.code == 101)
            #expect(error.details == "not released: the agent did not answer in time (POST \(path)/release)")
            #expect(test.wiring.hostLinks.isEmpty)
            #expect(test.tombstones == ["c0ffee-eth0%.1a.json"])
        }
    }

    @Test func `an address stays reserved while its device can't be removed`() throws {
        try withPlugin { test in
            test.wiring.fault = ("deleteOwnVeth", WiringError(.failed, "delete link: busy"))
            test.agent.change { $0.faults["attach"] = .reply(.error(500, "kernel")) }
            let error = try #require(PluginTestCase.error(test.run("ADD")))
            #expect(error.code == 100)
            #expect(error.details == "agent: kernel; left behind: delete link: busy")
            #expect(test.agent.endpoints == [key: .pending])
        }
    }
}

/// What an earlier ADD or DEL has left.
@Suite struct AddAgainTests {
    @Test func `a wired container is an error and stays wired`() throws {
        try withPlugin { test in
            #expect(test.run("ADD").exitCode == 0)
            _ = test.agent.log.take()
            let error = try #require(PluginTestCase.error(test.run("ADD")))
            #expect(error.code == 102)
            #expect(error.msg == "container c0ffee has its interface eth0 already")
            #expect(
                test.agent.log.take()
                    == ["openNamespace /run/netns/a", "createVeth", "POST /v1/endpoints", "hostLinkIsUp"])
            #expect(test.agent.endpoints == [key: .ready])
            #expect(test.wiring.hostLinks == [host: true])
        }
    }

    /// Where the runtime lost its patience with a call that hangs, deleted, and added again.
    enum Late: CaseIterable {
        case beforeConfiguring, beforeBringingUp
    }

    @Test(arguments: Late.allCases, [true, false])
    func `a call that comes late takes nothing from the one that was faster`(late: Late, isRunning: Bool) throws {
        try withPlugin { test in
            let (agent, wiring) = (test.agent, test.wiring)
            func addAgain() {
                agent.change { state in
                    state.endpoints[key] = isRunning ? .ready : .pending
                    state.attempts[key] = "2b"
                }
                wiring.own = nil
                wiring.hostLinks[host] = isRunning
                wiring.podLinks["eth0"] = host
            }
            switch late {
            case .beforeConfiguring: wiring.beforeConfiguring = { addAgain() }
            case .beforeBringingUp:
                wiring.fault = ("bringUpHost", WiringError(.failed, "set link: no such device"))
                wiring.beforeFault = { addAgain() }
            }
            #expect(test.run("ADD").exitCode == 1)
            #expect(agent.endpoints == [key: isRunning ? .ready : .pending])
            #expect(wiring.hostLinks == [host: isRunning])
            #expect(wiring.podLinks == ["eth0": host])
        }
    }

    @Test func `a device that is up is no leftover`() throws {
        try withPlugin { test in
            // The agent answered this call before the one that was faster came.
            test.wiring.hostLinks[host] = true
            test.wiring.podLinks["eth0"] = host
            #expect(PluginTestCase.code(test.run("ADD")) == 102)
            #expect(test.wiring.hostLinks == [host: true])
            #expect(test.wiring.podLinks == ["eth0": host])
        }
    }

    @Test func `an interface of somebody else is an error and stays`() throws {
        try withPlugin { test in
            test.wiring.podLinks["eth0"] = .some(nil)
            #expect(PluginTestCase.code(test.run("ADD")) == 102)
            #expect(test.agent.endpoints.isEmpty)
            #expect(test.wiring.hostLinks.isEmpty)
            #expect(test.wiring.podLinks.keys.contains("eth0"))
        }
    }

    private static let again = ["createVeth", "POST /v1/endpoints", "hostLinkIsUp", "deleteVeth", "createVeth"]

    /// Everything that a kill between two steps of ADD can leave.
    @Test(
        arguments: [
            // Before, or right after the allocation.
            (nil, nil, ["createVeth", "POST /v1/endpoints"]),
            (.pending, nil, ["createVeth", "POST /v1/endpoints"]),
            // After the veth was made, before or after the allocation, or the pod configured.
            (nil, false, again), (.pending, false, again),
            // After the attach. This agent does not remove the old device with the endpoint, as the real one does.
            (
                .ready, false,
                ["createVeth", "POST /v1/endpoints", "hostLinkIsUp", "DELETE \(path)"] + again
            ),
            // The pod went away, and DEL never came.
            (
                .ready, nil,
                ["createVeth", "POST /v1/endpoints", "DELETE \(path)", "createVeth", "POST /v1/endpoints"]
                    + ["hostLinkIsUp", "deleteVeth", "createVeth"]
            ),
        ] as [(EndpointState?, Bool?, [String])])
    func `the leftover of a killed ADD is redone`(agentHas: EndpointState?, link: Bool?, steps: [String]) throws {
        try withPlugin { test in
            if let agentHas { test.agent.change { $0.endpoints[key] = agentHas } }
            if let link {
                test.wiring.hostLinks[host] = link
                test.wiring.podLinks["eth0"] = host
            }
            #expect(test.run("ADD").exitCode == 0)
            let rest = ["configurePod", "POST \(path)/attach", "bringUpHost"]
            #expect(test.agent.log.take() == ["openNamespace /run/netns/a"] + steps + rest)
            #expect(test.agent.endpoints == [key: .ready])
            #expect(test.wiring.hostLinks == [host: true])
        }
    }

    @Test func `a deletion that the agent has not read yet comes first`() throws {
        try withPlugin { test in
            test.agent.change { $0.endpoints[key] = .ready }
            try Tombstone(PluginTestCase.endpoint).write(in: test.agent.runDirectory)
            #expect(test.run("ADD").exitCode == 0)
            var expected = AddTests.wholeADD
            expected.insert("DELETE \(path)", at: 1)
            #expect(test.agent.log.take() == expected)
            #expect(test.tombstones.isEmpty)
        }
    }

    @Test func `a deletion that fails again is not forgotten`() throws {
        try withPlugin { test in
            try Tombstone(PluginTestCase.endpoint).write(in: test.agent.runDirectory)
            test.agent.change { $0.faults["DELETE"] = .reply(.error(503, "notReady", retryable: true)) }
            #expect(PluginTestCase.code(test.run("ADD")) == 11)
            #expect(test.tombstones == ["c0ffee-eth0.json"])
        }
    }
}

/// An agent that is not there.
@Suite struct AddWithoutAgentTests {
    @Test func `an agent that is away is told in no time`() throws {
        try withPlugin { test in
            let plugin = Plugin(wiring: test.wiring)
            let environment = test.environment.merging(["CNI_COMMAND": "ADD"]) { $1 }
            let input = test.configuration.replacingOccurrences(of: "agent.sock", with: "nobody.sock")
            let begin = ContinuousClock.now
            let outcome = plugin.run(environment: { environment[$0] }, input: { Array(input.utf8) })
            #expect(ContinuousClock.now - begin < .seconds(1))
            let error = try #require(PluginTestCase.error(outcome))
            #expect(error.code == 11)
            #expect(error.msg.hasPrefix("the agent is not running ("))
            #expect(test.agent.log.take() == ["openNamespace /run/netns/a"])
            #expect(test.tombstones.isEmpty)
        }
    }

    @Test(arguments: [FakeAgent.Fault.silence, .doneInSilence])
    func `an agent that hangs is not waited for longer than the limit`(fault: FakeAgent.Fault) throws {
        try withPlugin { test in
            // Longer than an agent in a cluster may take, as often as it may be asked.
            #expect(test.timeouts.reserve > AddPatience.longest * 2)
            #expect(test.timeouts.attach > AddPatience.longest)
            test.timeouts.reserve = .milliseconds(100)
            test.agent.change { $0.faults["POST /v1/endpoints"] = fault }
            let begin = ContinuousClock.now
            let outcome = test.run("ADD")
            let took = ContinuousClock.now - begin
            #expect(took >= .milliseconds(100))
            #expect(took < .seconds(1))
            #expect(PluginTestCase.code(outcome) == 11)
            #expect(test.wiring.hostLinks.isEmpty)
            #expect(test.tombstones == ["c0ffee-eth0%.1a.json"], "it may have reserved")
        }
    }
}
