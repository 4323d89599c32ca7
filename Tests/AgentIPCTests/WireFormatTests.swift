// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetTypes
import Testing

@testable import AgentIPC

@Suite struct WireFormatTests {
    private func text(_ value: some Encodable) throws -> String {
        String(decoding: try JSONText.encode(value), as: UTF8.self)
    }

    private func decode<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(text.utf8))
    }

    @Test func `addresses are text and what is missing is left out`() throws {
        let reply = AllocateReply(
            endpoint: 258, hostInterface: "skn0", podMAC: try #require(MACAddress("02:00:00:00:00:01")),
            gatewayMAC: .gateway(endpoint: 258), ipv6: IPAddress("fd00::5"),
            gateway4: try #require(IPAddress("169.254.1.1")), gateway6: try #require(IPAddress("fe80::1")), mtu: 1500,
            state: .pending)
        let json =
            #"{"endpoint":258,"gateway4":"169.254.1.1","gateway6":"fe80::1","#
            + #""gatewayMAC":"0a:5c:00:00:01:02","hostInterface":"skn0","ipv6":"fd00::5","mtu":1500,"#
            + #""podMAC":"02:00:00:00:00:01","state":"pending"}"#
        #expect(try text(reply) == json)
        #expect(try decode(AllocateReply.self, json) == reply)
    }

    @Test func `an error body is as documented`() throws {
        let body = ErrorBody(error: APIError(code: "notFound", message: "no endpoint a/b", retryable: false))
        #expect(
            try text(body) == #"{"error":{"code":"notFound","message":"no endpoint a/b","retryable":false}}"#)
    }

    @Test func `an explanation keeps its field names`() throws {
        let peer = ExplainedPeer(text: "world", identity: 2)
        let explanation = Explanation(
            allowed: false, summary: "s", from: peer, to: peer, protocol: "TCP", port: 80,
            steps: [
                ExplainedStep(
                    direction: .ingress, pod: "a/b", allowed: false, enforced: true, reason: "no rule matches")
            ])
        let json = try text(explanation)
        #expect(json.contains(#""protocol":"TCP""#))
        #expect(json.contains(#""direction":"ingress""#))
        #expect(try decode(Explanation.self, json) == explanation)
    }

    @Test(arguments: [
        (#"{"containerID":"a"}"#, "\"interface\" is missing"),
        (#"{"containerID":"a","interface":1}"#, "interface: not of the type String"),
        (#"{"containerID":null,"interface":"b"}"#, "containerID: null instead of String"),
    ])
    func `a wrong document is described by its field`(json: String, expected: String) {
        #expect {
            _ = try decode(AttachmentReference.self, json)
        } throws: { JSONText.describe($0) == expected }
    }

    @Test func `a wrong address inside a list is described by its place`() {
        #expect {
            _ = try decode([String: [IPAddress]].self, #"{"a":["10.0.0.1","10.0.0.256"]}"#)
        } throws: { JSONText.describe($0) == "a[1]: \"10.0.0.256\" is not an IP address" }
    }

    @Test(arguments: ["eth0", "a/b c%", "ü-~._", ""])
    func `a name survives the path`(name: String) {
        #expect(APIPath.decode(APIPath.encode(name)) == name)
    }

    @Test(arguments: ["%", "%4", "%zz", "%ff"])
    func `what is no percent-encoded text is not decoded`(text: String) {
        #expect(APIPath.decode(text) == nil)
    }
}
