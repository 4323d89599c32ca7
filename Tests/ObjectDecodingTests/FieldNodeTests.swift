// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Model
import ObjectDecoding
import Testing

@Suite struct FieldNodeTests {
    private func node(_ json: String) throws -> FieldNode {
        try JSONDecoder().decode(FieldNode.self, from: Data(json.utf8))
    }

    @Test(
        arguments: [
            ("null", .null), ("true", .bool(true)), ("false", .bool(false)), ("0", .integer(0)), ("1", .integer(1)),
            ("-7", .integer(-7)), ("9223372036854775807", .integer(.max)), ("1.5", .number(1.5)),
            ("1e300", .number(1e300)), ("\"\"", .string("")), ("\"80\"", .string("80")), ("[]", .list([])),
            ("[null,[1]]", .list([FieldNode(.null), FieldNode(.list([FieldNode(.integer(1))]))])),
            ("{}", .map(FieldEntries([]))),
            (
                "{\"b\":1,\"a\":null}",
                .map(
                    FieldEntries([
                        .init(key: "a", value: FieldNode(.null)), .init(key: "b", value: FieldNode(.integer(1))),
                    ]))
            ),
        ] as [(String, FieldNode.Value)])
    func `every JSON value becomes a node, fields in the order of their names`(
        json: String, expected: FieldNode.Value
    ) throws {
        #expect(try node(json).value == expected)
    }

    @Test func `JSON that is none is an error`() {
        #expect(throws: (any Error).self) { try node("{\"a\":") }
    }

    @Test func `an object of an API server is read, and every problem names its field`() throws {
        let kind = try #require(ObjectDecoder.kinds["NetworkPolicy"])
        let metadata = """
            "metadata":{"name":"web","namespace":"shop","uid":"x","managedFields":[{"manager":"kubectl"}]}
            """
        let good = try node(
            """
            {\(metadata),"spec":{"podSelector":{"matchLabels":{"app":"web"}},"policyTypes":["Ingress"]}}
            """)
        #expect(
            try ObjectDecoder.decode(kind, good)
                == .networkPolicy(
                    NetworkPolicy(
                        namespace: "shop", name: "web", podSelector: LabelSelector(matchLabels: ["app": "web"]),
                        policyTypes: [.ingress])))

        let bad = try node("{\(metadata),\"spec\":{\"podSelector\":{},\"ingres\":[],\"egress\":[{\"to\":5}]}}")
        let problems = try #require(throws: ObjectProblems.self) { try ObjectDecoder.decode(kind, bad) }
        #expect(
            problems.list.map(\.description) == [
                "spec.egress[0].to: must be a list, not a number",
                "spec.ingres: unknown field; did you mean \"ingress\"?",
            ])
        #expect(problems.list.allSatisfy { $0.object == "NetworkPolicy shop/web" })

        let invalid = try node("{\(metadata),\"spec\":{\"podSelector\":{},\"policyTypes\":[\"Ingres\"]}}")
        let reported = try #require(throws: ObjectProblems.self) { try ObjectDecoder.decode(kind, invalid) }
        #expect(reported.description == "spec.policyTypes[0]: \"Ingres\" is neither Ingress nor Egress")
    }
}
