// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Testing

@testable import CNIPlugin

@Suite struct InvocationTests {
    private let good = ["CNI_CONTAINERID": "c0ffee", "CNI_NETNS": "/run/netns/a", "CNI_IFNAME": "eth0"]

    private func parse(_ command: String?, _ changes: [String: String?] = [:]) throws(CNIError) -> Invocation {
        var environment = good
        environment["CNI_COMMAND"] = command
        for (name, value) in changes { environment[name] = value }
        return try Invocation(environment: { environment[$0] })
    }

    @Test(arguments: CNICommand.allCases)
    func `a complete environment is taken`(command: CNICommand) throws {
        let invocation = try parse(command.rawValue)
        #expect(invocation.command == command)
        let bound = [.add, .delete, .check].contains(command)
        #expect(invocation.endpoint.description == (bound ? "c0ffee/eth0" : "/"))
    }

    @Test(arguments: [
        (nil, "CNI_COMMAND is not set: this is a CNI plugin, run by a container runtime"),
        ("", "CNI_COMMAND is not set: this is a CNI plugin, run by a container runtime"),
        ("add", "CNI_COMMAND \"add\" is not known"),
        ("UPDATE", "CNI_COMMAND \"UPDATE\" is not known"),
    ])
    func `a command that is none is refused`(command: String?, message: String) {
        #expect(throws: CNIError(.invalidEnvironment, message)) { try parse(command) }
    }

    @Test(arguments: [
        ("ADD", ["CNI_CONTAINERID"], "CNI_CONTAINERID"), ("ADD", ["CNI_NETNS"], "CNI_NETNS"),
        ("ADD", ["CNI_IFNAME"], "CNI_IFNAME"),
        ("ADD", ["CNI_IFNAME", "CNI_NETNS", "CNI_CONTAINERID"], "CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME"),
        ("CHECK", ["CNI_NETNS"], "CNI_NETNS"), ("DEL", ["CNI_CONTAINERID"], "CNI_CONTAINERID"),
        ("DEL", ["CNI_IFNAME"], "CNI_IFNAME"),
    ])
    func `what a command needs must be there`(command: String, missing: [String], named: String) {
        let error = CNIError(.invalidEnvironment, "\(named) must be set for CNI_COMMAND \(command)")
        for absent in [nil, ""] as [String?] {
            let changes = Dictionary(uniqueKeysWithValues: missing.map { ($0, absent) })
            #expect(throws: error) { try parse(command, changes) }
        }
    }

    @Test func `DEL comes without a namespace`() throws {
        #expect(try parse("DEL", ["CNI_NETNS": ""]).netns.isEmpty)
        #expect(try parse("DEL", ["CNI_NETNS": nil as String?]).netns.isEmpty)
    }

    @Test(arguments: ["a", "0", "A.b_c-d", String(repeating: "f", count: 200)])
    func `container ids are taken`(id: String) throws {
        #expect(try parse("ADD", ["CNI_CONTAINERID": id]).containerID == id)
    }

    @Test(arguments: ["-a", ".a", "_a", "a/b", "a b", "a\n", "ä", "a;b", "..", String(repeating: "f", count: 201)])
    func `container ids are refused`(id: String) {
        #expect { try parse("ADD", ["CNI_CONTAINERID": id]) } throws: { error in
            guard let error = error as? CNIError else { return false }
            return error.code == .invalidEnvironment && error.message.hasPrefix("CNI_CONTAINERID")
        }
    }

    @Test(arguments: ["e", "eth0", "a.b", "...", "net-1_@", "123456789012345"])
    func `interface names are taken`(name: String) throws {
        #expect(try parse("ADD", ["CNI_IFNAME": name]).interface == name)
    }

    @Test(arguments: [
        ".", "..", "a/b", "a:b", "eth%d", "a b", "a\tb", "a\nb", "a\u{7f}", "1234567890123456", "ääääääää",
    ])
    func `interface names are refused`(name: String) {
        #expect { try parse("DEL", ["CNI_IFNAME": name]) } throws: { error in
            guard let error = error as? CNIError else { return false }
            return error.code == .invalidEnvironment && error.message.hasPrefix("CNI_IFNAME")
        }
    }

    @Test func `arguments bind the pod`() throws {
        let text =
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=abc;"
            + "K8S_POD_UID=1-2;SKEIN_LABELS=app=web,tier=front,empty=,x=a=b"
        let arguments = try parse("ADD", ["CNI_ARGS": text]).arguments
        #expect(arguments.podNamespace == "shop")
        #expect(arguments.podName == "web-0")
        #expect(arguments.podUID == "1-2")
        #expect(arguments.infraContainerID == "abc")
        #expect(arguments.labels == ["app": "web", "tier": "front", "empty": "", "x": "a=b"])
    }

    @Test(arguments: ["", ";", "A=", "A=b=c;;", "UNKNOWN=;K8S_POD_UID="])
    func `arguments may say nothing`(text: String) throws {
        #expect(try parse("ADD", ["CNI_ARGS": text]).arguments == CNIArguments())
    }

    @Test func `no labels are something else than none given`() throws {
        #expect(try parse("ADD", ["CNI_ARGS": "SKEIN_LABELS="]).arguments.labels == [:])
        #expect(try parse("ADD").arguments.labels == nil)
    }

    @Test(arguments: [
        ("A", "CNI_ARGS: \"A\" is not KEY=VALUE"),
        ("A=b;=c", "CNI_ARGS: \"=c\" is not KEY=VALUE"),
        ("SKEIN_LABELS=app", "CNI_ARGS: \"app\" in SKEIN_LABELS is not KEY=VALUE"),
        ("SKEIN_LABELS=a=b,=c", "CNI_ARGS: \"=c\" in SKEIN_LABELS is not KEY=VALUE"),
        ("SKEIN_LABELS=a=b,a=c", "CNI_ARGS: \"a\" is twice in SKEIN_LABELS"),
        ("K8S_POD_NAME=web", "CNI_ARGS: K8S_POD_NAMESPACE and K8S_POD_NAME come together or not at all"),
    ])
    func `arguments that can't be read are refused`(text: String, message: String) throws {
        #expect(throws: CNIError(.invalidEnvironment, message)) { try parse("ADD", ["CNI_ARGS": text]) }
        // DEL cleans up whatever they say.
        _ = try parse("DEL", ["CNI_ARGS": text])
    }
}
