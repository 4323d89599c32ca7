// SPDX-License-Identifier: Apache-2.0
import AgentAPI
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

/// Each type has two codings: Codable for the agent, JSONConvertible for the plugin.
@Suite struct TwoCodingsTests {
    private func agree<Value: Codable & JSONConvertible & Equatable>(_ value: Value) throws {
        let text = String(decoding: try JSONText.encode(value), as: UTF8.self)
        #expect(value.json.text == text)
        #expect(try Value(json: JSONValue(parsing: Array(text.utf8))) == value)
        #expect(try JSONDecoder().decode(Value.self, from: Data(value.json.bytes)) == value)
    }

    /// Both refuse the text, and for the same field; Foundation does not name that of a number that doesn't fit.
    private func refuse<Value: Codable & JSONConvertible>(_ type: Value.Type, _ text: String, _ place: String) {
        #expect {
            _ = try JSONDecoder().decode(type, from: Data(text.utf8))
        } throws: {
            let text = JSONText.describe($0)
            return text.hasPrefix(place) || text == "The given data was not valid JSON."
        }
        #expect {
            _ = try Value(json: JSONValue(parsing: Array(text.utf8)))
        } throws: { "\($0)".hasPrefix(place) }
    }

    private let reference = AttachmentReference(containerID: "c/0\"ffee\u{1}", interface: "eth0é")

    @Test(arguments: [nil, [:], ["b": "x/y", "B": "\n", "a10": "", "a9": "", "é": "ü"]] as [[String: String]?])
    func `a reservation`(labels: [String: String]?) throws {
        try agree(
            AllocateRequest(
                containerID: "c0ffee", interface: "eth0", netns: "/run/netns/a", network: "pods", podNamespace: "",
                podName: "web", podUID: labels == nil ? nil : "1-2", labels: labels,
                attempt: labels == nil ? nil : "1a"))
    }

    @Test(arguments: EndpointState.allCases, [true, false])
    func `its reply and what is known of an endpoint`(state: EndpointState, complete: Bool) throws {
        let mac = try #require(MACAddress("02:00:00:00:00:01"))
        let ipv4 = complete ? IPAddress("10.0.0.5") : nil
        let ipv6 = complete ? IPAddress("fd00::5") : nil
        try agree(
            AllocateReply(
                endpoint: .max, hostInterface: "skn0", podMAC: mac, gatewayMAC: .gateway(endpoint: 258), ipv4: ipv4,
                ipv6: ipv6, gateway4: try #require(IPAddress("169.254.1.1")),
                gateway6: try #require(IPAddress("fe80::1")),
                mtu: .max, state: state))
        try agree(
            EndpointInfo(
                number: 7, containerID: "c0ffee", interface: "eth0", network: "pods", netns: "/run/netns/a",
                podNamespace: "default", podName: "web", podUID: complete ? "1-2" : nil,
                labels: complete ? ["app": "web", "Tier": "a/b"] : [:], ipv4: ipv4, ipv6: ipv6, podMAC: mac,
                gatewayMAC: .gateway(endpoint: 7), mtu: 1_450, hostInterface: "skn0", hostIfindex: complete ? 42 : nil,
                state: state, since: .max, addMilliseconds: complete ? 12 : nil, identity: 300, policy: 1,
                enforceIngress: complete, enforceEgress: !complete,
                policies: complete ? ["NetworkPolicy default/web", "NetworkPolicy default/db"] : []))
    }

    @Test func `the small ones`() throws {
        try agree(reference)
        try agree(Tombstone(reference))
        try agree(Tombstone(reference, attempt: "1a"))
        try agree(AttachRequest(hostIfindex: 42))
        try agree(AttachRequest(hostIfindex: 42, attempt: "1a"))
        try agree(ReleaseRequest(attempt: "1a"))
        try agree(DeleteRequest())
        try agree(DeleteRequest(attempt: "1a"))
        try agree(GCRequest(network: "pods", keep: []))
        try agree(GCRequest(network: "pods", keep: [reference, reference]))
        try agree(GCReply(removed: [reference]))
        try agree(ErrorBody(error: APIError(code: "kernel", message: "a\nb", retryable: true)))
    }

    @Test(arguments: [
        (#"{"network":"a"}"#, #""keep" is missing"#), (#"{"network":"a","keep":null}"#, "keep: null instead of "),
        (#"{"network":"a","keep":{}}"#, "keep: not of the type "),
        (#"{"network":"a","keep":[1]}"#, "keep[0]: not of the type "),
        (#"{"network":1,"keep":[]}"#, "network: not of the type String"),
        (
            #"{"network":"a","keep":[{"containerID":"a","interface":"b"},{"containerID":"a"}]}"#,
            "keep[1]: \"interface\" is"
        ),
        (
            #"{"network":"a","keep":[{"containerID":"a","interface":null}]}"#,
            "keep[0].interface: null instead of String"
        ),
        ("[]", "not of the type "), ("{", ""),
    ])
    func `refuse the same field`(text: String, place: String) {
        refuse(GCRequest.self, text, place)
    }

    @Test(arguments: [
        (#""endpoint":1"#, #""endpoint":65536"#, "endpoint: "), (#""endpoint":1"#, #""endpoint":-1"#, "endpoint: "),
        (#""endpoint":1"#, #""endpoint":1.5"#, "endpoint: "),
        (#""endpoint":1"#, #""endpoint":true"#, "endpoint: not of the type UInt16"),
        (#""mtu":1500"#, #""mtu":"1500""#, "mtu: not of the type UInt32"), (#""mtu":1500"#, #""mtu":1e10"#, "mtu: "),
        (#""state":"ready""#, #""state":"up""#, "state: "),
        (#""state":"ready""#, #""state":null"#, "state: null instead of "),
        (#""ipv4":"10.0.0.1""#, #""ipv4":"10.0.0.256""#, #"ipv4: "10.0.0.256" is not an IP address"#),
        (#""gateway6":"fe80::1""#, #""gateway6":1"#, "gateway6: not of the type String"),
        (#""podMAC":"02:00:00:00:00:01""#, #""podMAC":"02""#, #"podMAC: "02" is not a MAC address"#),
        (#","state":"ready""#, "", #""state" is missing"#),
    ])
    func `refuse the same value`(old: String, new: String, place: String) throws {
        let good =
            #"{"endpoint":1,"gateway4":"169.254.1.1","gateway6":"fe80::1","gatewayMAC":"0a:5c:00:00:01:02","#
            + #""hostInterface":"skn0","ipv4":"10.0.0.1","mtu":1500,"podMAC":"02:00:00:00:00:01","state":"ready"}"#
        try agree(AllocateReply(json: JSONValue(parsing: Array(good.utf8))))
        refuse(AllocateReply.self, good.replacing(old, with: new), place)
    }

    @Test func `whole numbers may be written with a point`() throws {
        let value = try AttachRequest(json: JSONValue(parsing: Array(#"{"hostIfindex":4.2e1}"#.utf8)))
        #expect(value == AttachRequest(hostIfindex: 42))
    }
}
