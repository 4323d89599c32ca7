// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import CNIPlugin
import Foundation
import Testing

private let path = "/v1/endpoints/c0ffee/eth0"

@Suite struct DeleteTests {
    @Test(arguments: ["0.3.1", "0.4.0", "1.0.0", "1.1.0"])
    func `leaves device and reservation to the agent`(version: String) throws {
        try withPlugin { test in
            test.version = version
            #expect(test.run("ADD").exitCode == 0)
            _ = test.agent.log.take()
            test.extra = #","prevResult":{"cniVersion":"\#(version)","interfaces":[],"ips":[]}"#
            let outcome = test.run("DEL")
            #expect(outcome == test.run("DEL"))
            #expect(outcome.exitCode == 0)
            #expect(outcome.output.isEmpty)
            #expect(test.agent.log.take() == ["DELETE \(path)", "DELETE \(path)"])
            #expect(test.agent.endpoints.isEmpty)
        }
    }

    @Test(arguments: ["", nil] as [String?])
    func `needs no namespace`(netns: String?) throws {
        try withPlugin { test in
            test.environment["CNI_NETNS"] = netns
            #expect(test.run("DEL").exitCode == 0)
            #expect(test.agent.log.take() == ["DELETE \(path)"])
        }
    }

    @Test func `leaves a note for an agent that is away, and succeeds`() throws {
        try withPlugin { test in
            let environment = test.environment.merging(["CNI_COMMAND": "DEL"]) { $1 }
            let input = test.configuration.replacingOccurrences(of: "agent.sock", with: "nobody.sock")
            for _ in 0..<2 {
                let outcome = Plugin(wiring: test.wiring)
                    .run(environment: { environment[$0] }, input: { Array(input.utf8) })
                #expect(outcome.exitCode == 0)
            }
            #expect(test.agent.log.take() == ["deleteVeth", "deleteVeth"])
            #expect(test.tombstones == ["c0ffee-eth0.json"])
        }
    }

    @Test(arguments: [FakeAgent.Fault.silence, .hangUp])
    func `leaves a note for an agent that does not answer`(fault: FakeAgent.Fault) throws {
        try withPlugin { test in
            test.timeouts.request = .milliseconds(50)
            test.agent.change { $0.faults["DELETE"] = fault }
            #expect(test.run("DEL").exitCode == 0)
            #expect(test.agent.log.take().last == "deleteVeth")
            #expect(test.tombstones == ["c0ffee-eth0.json"])
        }
    }

    @Test func `fails where no note can be left`() throws {
        try withPlugin { test in
            try Data().write(to: URL(fileURLWithPath: test.agent.runDirectory))
            test.agent.change { $0.faults["DELETE"] = .hangUp }
            #expect(PluginTestCase.code(test.run("DEL")) == 5)
        }
    }

    @Test(arguments: [(true, 11), (false, 100)])
    func `an agent that can't delete is heard`(retryable: Bool, code: Int) throws {
        try withPlugin { test in
            test.agent.change { $0.faults["DELETE"] = .reply(.error(500, "kernel", retryable: retryable)) }
            #expect(PluginTestCase.code(test.run("DEL")) == code)
            #expect(test.agent.log.take() == ["DELETE \(path)", "deleteVeth"])
            #expect(test.tombstones.isEmpty)
        }
    }

    @Test func `leaves no note while the device can't be removed`() throws {
        try withPlugin { test in
            test.agent.change { $0.faults["DELETE"] = .hangUp }
            test.wiring.fault = ("deleteVeth", WiringError(.failed, "delete link: busy"))
            #expect(PluginTestCase.code(test.run("DEL")) == 101)
            #expect(test.tombstones.isEmpty)
        }
    }
}

@Suite struct GarbageCollectionTests {
    @Test func `hands on what is valid, and leaves the rest to the agent`() throws {
        try withPlugin { test in
            let gone = AttachmentReference(containerID: "old", interface: "eth0")
            test.agent.change { $0.removedByGC = [gone] }
            test.extra = #","cni.dev/valid-attachments":[{"containerID":"c0ffee","ifname":"eth0"}]"#
            let outcome = test.run("GC")
            #expect(outcome.exitCode == 0)
            #expect(outcome.output.isEmpty)
            #expect(test.agent.log.take() == ["POST /v1/gc"])
            let body = test.agent.body(of: "POST /v1/gc")
            #expect(body == #"{"keep":[{"containerID":"c0ffee","interface":"eth0"}],"network":"pods"}"#)
        }
    }

    @Test func `a list that is missing removes nothing`() throws {
        try withPlugin { test in
            #expect(PluginTestCase.code(test.run("GC")) == 7)
            #expect(test.agent.log.take().isEmpty)
        }
    }

    @Test func `an agent that is away is an error`() throws {
        try withPlugin { test in
            test.extra = #","cni.dev/valid-attachments":[]"#
            test.agent.change { $0.faults["POST /v1/gc"] = .hangUp }
            #expect(PluginTestCase.code(test.run("GC")) == 11)
        }
    }
}

@Suite struct StatusTests {
    @Test func `says nothing when ADD would be served`() throws {
        try withPlugin { test in
            test.environment = [:]
            let outcome = test.run("STATUS")
            #expect(outcome.exitCode == 0)
            #expect(outcome.output.isEmpty)
            #expect(test.agent.log.take() == ["GET /v1/ready"])
        }
    }

    @Test(arguments: [
        (FakeAgent.Fault.reply(.error(503, "notReady")), "no: notReady (notReady)"),
        (.hangUp, "the agent closed the connection (GET /v1/ready)"),
        (.silence, "the agent did not answer in time (GET /v1/ready)"),
    ])
    func `says why ADD would not be served`(fault: FakeAgent.Fault, message: String) throws {
        try withPlugin { test in
            test.timeouts.status = .milliseconds(50)
            test.agent.change { $0.faults["GET /v1/ready"] = fault }
            let error = try #require(PluginTestCase.error(test.run("STATUS")))
            #expect(error.code == 50)
            #expect(error.msg == message)
        }
    }
}
