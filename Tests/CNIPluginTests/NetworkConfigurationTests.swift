// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Testing

@testable import CNIPlugin

@Suite struct NetworkConfigurationTests {
    private func parse(_ text: String, _ command: CNICommand = .add) throws(CNIError) -> NetworkConfiguration {
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONValue(parsing: Array(text.utf8))
        } catch {
            throw NetworkConfiguration.unreadable(error)
        }
        return try NetworkConfiguration(document, for: command)
    }

    @Test(arguments: CNIVersion.allCases)
    func `defaults stand for what is left out`(version: CNIVersion) throws {
        let configuration = try parse(#"{"cniVersion":"\#(version.rawValue)","name":"pods","type":"skein"}"#)
        #expect(configuration.version == version)
        #expect(configuration.name == "pods")
        #expect(configuration.socket == "/run/skein/agent.sock")
        #expect(configuration.runDirectory == "/run/skein")
        #expect(configuration.previousResult == nil)
        #expect(configuration.validAttachments == nil)
    }

    @Test func `all fields are read, others left alone`() throws {
        let configuration = try parse(
            """
            {"cniVersion": "1.0.0", "name": "a.b", "type": "skein", "socket": "/s", "runDirectory": "/r",
             "prevResult": null, "ipam": {}, "ipMasq": false, "capabilities": {"portMappings": true},
             "dns": {"nameservers": ["10.0.0.10"]}, "args": {"cni": 1}}
            """)
        #expect(configuration.socket == "/s")
        #expect(configuration.runDirectory == "/r")
        #expect(configuration.dns == DNSConfiguration(nameservers: ["10.0.0.10"]))
    }

    @Test(arguments: ["0.1.0", "0.2.0", "0.3.0", "1.2.0", "2.0.0", "1.1", "", nil])
    func `other versions are refused`(version: String?) {
        let field = version.map { #""cniVersion":"\#($0)","# } ?? ""
        let error = CNIError(
            .incompatibleVersion, "cniVersion \"\(version ?? "0.1.0")\" is not supported",
            details: "supported: 0.3.1, 0.4.0, 1.0.0, 1.1.0")
        #expect(throws: error) { try parse("{\(field)\"name\":\"pods\"}") }
    }

    @Test(arguments: [
        ("0.3.1", CNICommand.check, "cniVersion 0.3.1 has no CHECK, it came with 0.4.0"),
        ("1.0.0", .garbageCollect, "cniVersion 1.0.0 has no GC, it came with 1.1.0"),
        ("0.4.0", .status, "cniVersion 0.4.0 has no STATUS, it came with 1.1.0"),
    ])
    func `commands that a version does not have are refused`(version: String, command: CNICommand, message: String) {
        #expect(throws: CNIError(.incompatibleVersion, message)) {
            try parse(#"{"cniVersion":"\#(version)","name":"pods"}"#, command)
        }
    }

    @Test(arguments: [
        ("", 6, "the network configuration can't be decoded"),
        ("{", 6, "the network configuration can't be decoded"),
        ("[]", 6, "the network configuration can't be decoded"),
        (#"{"cniVersion":1}"#, 6, "the network configuration can't be decoded"),
        (#"{"cniVersion":"1.1.0"}"#, 7, "name \"\" is not a letter"),
        (#"{"cniVersion":"1.1.0","name":"../x"}"#, 7, "name \"../x\" is not a letter"),
        (#"{"cniVersion":"1.1.0","name":"a","socket":"agent.sock"}"#, 7, "socket \"agent.sock\" is not an absolute"),
        (#"{"cniVersion":"1.1.0","name":"a","runDirectory":""}"#, 7, "runDirectory \"\" is not an absolute path"),
        (#"{"cniVersion":"1.1.0","name":"a","prevResult":{"ips":[]}}"#, 2, #"prevResult {"ips":[]}: chaining is not"#),
        (#"{"cniVersion":"1.1.0","name":"a","ipam":{"type":"x"}}"#, 2, #"ipam {"type":"x"}: addresses come from"#),
        (#"{"cniVersion":"1.1.0","name":"a","ipMasq":true}"#, 2, "ipMasq true: masquerading is not supported"),
    ])
    func `a wrong configuration is refused`(text: String, code: Int, message: String) {
        #expect { try parse(text) } throws: { error in
            guard let error = error as? CNIError else { return false }
            return error.code.rawValue == code && error.message.hasPrefix(message)
        }
    }

    @Test func `a field of the wrong type is named`() {
        let error = CNIError(
            .decodingFailure, "the network configuration can't be decoded", details: "socket: not of the type String")
        #expect(throws: error) { try parse(#"{"cniVersion":"1.1.0","name":"a","socket":1}"#) }
    }

    @Test(arguments: [
        (#"{"prevResult":{"ips":[{}]}}"#, #"ips[0]: "address" is missing"#),
        (
            #"{"prevResult":{"ips":[{"address":"10.0.0.1/24","interface":"0"}]}}"#,
            "ips[0].interface: not of the type Int"
        ),
        (#"{"prevResult":{"interfaces":[{"name":"a"},{"name":null}]}}"#, "interfaces[1].name: null instead of String"),
        (#"{"prevResult":{"routes":{}}}"#, "routes: not of the type array"),
        (#"{"prevResult":{"dns":{"search":["a",1]}}}"#, "dns.search[1]: not of the type String"),
        (#"{"prevResult":[]}"#, "not of the type object"),
    ])
    func `a wrong field of a previous result is named`(text: String, details: String) throws {
        let fields = text.dropFirst().replacing("{", with: #"{"cniVersion":"1.1.0","#, maxReplacements: 1)
        let previous = try parse(#"{"cniVersion":"1.1.0","name":"a",\#(fields)"#, .check).previousResult
        let error = CNIError(.invalidConfiguration, "prevResult can't be read", details: details)
        #expect(throws: error) { try CNIResult(decoding: try #require(previous)) }
    }

    @Test func `a result survives its text`() throws {
        let text =
            #"{"cniVersion":"1.0.0","dns":{"domain":"d","nameservers":["10.0.0.10"],"options":["o"],"search":["s"]},"#
            + #""interfaces":[{"mac":"02:00:00:00:00:01","mtu":1500,"name":"eth0","sandbox":"/run/netns/a"}],"#
            + #""ips":[{"address":"10.0.0.5/32","gateway":"169.254.1.1","interface":0,"version":"4"}],"#
            + #""routes":[{"dst":"0.0.0.0/0","gw":"169.254.1.1"}]}"#
        let result = try CNIResult(decoding: try JSONValue(parsing: Array(text.utf8)))
        #expect(result.ips?.first?.address == "10.0.0.5/32")
        #expect(result.json.text == text)
    }

    @Test(arguments: [CNICommand.delete, .check, .garbageCollect, .status])
    func `only ADD refuses what it can't do`(command: CNICommand) throws {
        _ = try parse(
            #"{"cniVersion":"1.1.0","name":"a","prevResult":{},"ipam":{"type":"x"},"ipMasq":true}"#, command)
    }

    @Test(arguments: ["cni.dev/valid-attachments", "cni.dev/attachments"])
    func `attachments have two names`(field: String) throws {
        let configuration = try parse(
            #"{"cniVersion":"1.1.0","name":"a","\#(field)":[{"containerID":"c","ifname":"eth0"}]}"#, .garbageCollect)
        #expect(configuration.validAttachments == [AttachmentReference(containerID: "c", interface: "eth0")])
    }

    @Test(arguments: [("[]", true), ("null", true), ("", false)])
    func `no attachments are something else than none given`(value: String, given: Bool) throws {
        let field = value.isEmpty ? "" : #","cni.dev/valid-attachments":\#(value)"#
        let configuration = try parse(#"{"cniVersion":"1.1.0","name":"a"\#(field)}"#, .garbageCollect)
        #expect(configuration.validAttachments == (given ? [] : nil))
    }

    @Test func `long values are cut in messages`() {
        let long = String(repeating: "x", count: 1_000)
        #expect(JSONValue.string(long).excerpt.count == 203)
        #expect(JSONValue.string("short").excerpt == "\"short\"")
    }
}
