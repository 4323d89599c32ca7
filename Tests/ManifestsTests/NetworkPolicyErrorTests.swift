// SPDX-License-Identifier: Apache-2.0
import Model
import ObjectDecoding
import Testing

@testable import Manifests

/// The spec begins in line 5 of each document.
@Suite struct NetworkPolicyErrorTests {
    @Test(
        arguments: [
            // Unknown fields.
            ("podSelector: {}\ningres: []", ["6: spec.ingres: unknown field; did you mean \"ingress\"?"]),
            ("podSelector: {}\nIngress: []", ["6: spec.Ingress: unknown field; did you mean \"ingress\"?"]),
            (
                "podselector: {}",
                [
                    "5: spec.podSelector: the field is required ({} selects every pod of the namespace)",
                    "5: spec.podselector: unknown field; did you mean \"podSelector\"?",
                ]
            ),
            ("podSelector: {}\nendpointSelector: {}", ["6: spec.endpointSelector: unknown field"]),
            ("podSelector:\n  app: web", ["6: spec.podSelector.app: unknown field"]),
            (
                "podSelector: {matchLabel: {a: b}}",
                ["5: spec.podSelector.matchLabel: unknown field; did you mean \"matchLabels\"?"]
            ),
            ("podSelector: {}\ningress:\n- to: []", ["7: spec.ingress[0].to: unknown field"]),
            ("podSelector: {}\negress:\n- from: []", ["7: spec.egress[0].from: unknown field"]),
            (
                "podSelector: {}\ningress:\n- from:\n  - ipblock: {cidr: 10.0.0.0/8}",
                ["8: spec.ingress[0].from[0].ipblock: unknown field; did you mean \"ipBlock\"?"]
            ),
            (
                "podSelector: {}\ningress:\n- ports:\n  - port: 80\n    endport: 90",
                ["9: spec.ingress[0].ports[0].endport: unknown field; did you mean \"endPort\"?"]
            ),
            (
                "podSelector: {}\negress:\n- to:\n  - ipBlock:\n      cidr: 10.0.0.0/8\n      excpet: []",
                ["10: spec.egress[0].to[0].ipBlock.excpet: unknown field; did you mean \"except\"?"]
            ),
            // What is missing or has no value.
            (
                "policyTypes: [Ingress]",
                ["5: spec.podSelector: the field is required ({} selects every pod of the namespace)"]
            ),
            (
                "podSelector:\npolicyTypes: [Ingress]",
                ["5: spec.podSelector: the field is required ({} selects every pod of the namespace)"]
            ),
            ("podSelector: {}\ningress:", ["6: spec.ingress: must be a list, not nothing"]),
            ("podSelector: {}\ningress:\n-", ["7: spec.ingress[0]: the element has no value"]),
            ("podSelector: {}\ningress:\n- from:", ["7: spec.ingress[0].from: must be a list, not nothing"]),
            (
                "podSelector: {}\ningress:\n- from:\n  -\n  ports: ~",
                [
                    "8: spec.ingress[0].from[0]: the element has no value",
                    "9: spec.ingress[0].ports: must be a list, not nothing",
                ]
            ),
            (
                "podSelector: {}\ningress:\n- from:\n  - podSelector:",
                ["8: spec.ingress[0].from[0].podSelector: must be a mapping, not nothing"]
            ),
            (
                "podSelector: {}\ningress:\n- from:\n  - ipBlock: {except: []}",
                ["8: spec.ingress[0].from[0].ipBlock.cidr: the field is required"]
            ),
            (
                "podSelector:\n  matchExpressions:\n  - values: [a]",
                [
                    "7: spec.podSelector.matchExpressions[0].key: the field is required",
                    "7: spec.podSelector.matchExpressions[0].operator: the field is required",
                ]
            ),
            // Types.
            ("podSelector: []", ["5: spec.podSelector: must be a mapping, not a list"]),
            ("podSelector: {}\ningress: {}", ["6: spec.ingress: must be a list, not a mapping"]),
            ("podSelector: {}\npolicyTypes: Ingress", ["6: spec.policyTypes: must be a list, not a string"]),
            (
                "podSelector: {}\npolicyTypes: [1]",
                ["6: spec.policyTypes[0]: must be a string (put it in quotes), not a number"]
            ),
            (
                "podSelector:\n  matchLabels:\n    version: 1.10",
                ["7: spec.podSelector.matchLabels[version]: must be a string (put it in quotes), not a number"]
            ),
            (
                "podSelector:\n  matchLabels:\n    debug: yes",
                ["7: spec.podSelector.matchLabels[debug]: must be a string (put it in quotes), not a boolean"]
            ),
            (
                "podSelector:\n  matchLabels:\n    on: x",
                ["7: spec.podSelector.matchLabels: a key must be a string (put it in quotes)"]
            ),
            (
                "podSelector:\n  matchLabels:\n    [a]: x",
                ["7: spec.podSelector.matchLabels: a key must be a string (put it in quotes)"]
            ),
            (
                "podSelector: {}\ningress:\n- ports:\n  - port: 80.5",
                ["8: spec.ingress[0].ports[0].port: must be an integer, not a number"]
            ),
            (
                "podSelector: {}\ningress:\n- ports:\n  - port: 0x50",
                ["8: spec.ingress[0].ports[0].port: 0x50 is not written as a plain decimal number"]
            ),
            (
                "podSelector: {}\ningress:\n- ports:\n  - port: [80]",
                ["8: spec.ingress[0].ports[0].port: must be an integer, not a list"]
            ),
            (
                "podSelector: {}\ningress:\n- ports:\n  - port: 80\n    endPort: \"90\"",
                ["9: spec.ingress[0].ports[0].endPort: must be an integer, not a string"]
            ),
            (
                "podSelector: !!binary aGk=",
                ["5: spec.podSelector: must be a mapping, not a value tagged tag:yaml.org,2002:binary"]
            ),
        ] as [(String, [String])])
    func `a spec that can't be is refused field by field`(spec: String, expected: [String]) {
        let decoded = decode(policyText(spec))
        #expect(decoded.errors.map(short) == expected)
        #expect(decoded.objects.isEmpty)
        #expect(decoded.errors.allSatisfy { $0.object == "NetworkPolicy default/web" && $0.column > 0 })
    }

    /// What only the model can tell: the path of each of its errors leads to the line of that value.
    @Test(arguments: [
        (
            "podSelector: {}\ningress:\n- ports:\n  - port: 80\n  - protocol: UDP\n    port: 70000", "10",
            "spec.ingress[0].ports[1].port"
        ),
        ("podSelector: {}\ningress:\n- ports:\n  - port: \"80\"", "8", "spec.ingress[0].ports[0].port"),
        ("podSelector: {}\ningress:\n- ports:\n  - port: 80\n    endPort: 79", "9", "spec.ingress[0].ports[0].endPort"),
        (
            "podSelector: {}\ningress:\n- ports:\n  - port: 80\n    protocol: tcp", "9",
            "spec.ingress[0].ports[0].protocol"
        ),
        ("podSelector: {}\npolicyTypes:\n- Ingress\n- egress", "8", "spec.policyTypes[1]"),
        (
            "podSelector: {}\negress:\n- to:\n  - ipBlock:\n      except:\n      - 10.1.0.0/16\n      - 11.0.0.0/8\n"
                + "      cidr: 10.0.0.0/8", "11", "spec.egress[0].to[0].ipBlock.except[1]"
        ),
        ("podSelector: {}\negress:\n- to:\n  - {}", "8", "spec.egress[0].to[0]"),
        (
            "podSelector:\n  matchLabels:\n    good: x\n    example.com/a: -b", "8",
            "spec.podSelector.matchLabels[example.com/a]"
        ),
        (
            "podSelector:\n  matchExpressions:\n  - key: a\n    operator: Within\n    values: [x]", "8",
            "spec.podSelector.matchExpressions[0].operator"
        ),
    ])
    func `an error of the model is placed at its value`(spec: String, line: String, field: String) throws {
        let decoded = decode(policyText(spec))
        #expect(decoded.objects.isEmpty)
        let error = try #require(decoded.errors.first)
        #expect(decoded.errors.count == 1)
        #expect(error.description.hasPrefix("x.yaml:\(line): NetworkPolicy default/web: \(field): "), "\(error)")
    }

    @Test func `the column is that of the value`() throws {
        let error = try #require(decode(policyText("podSelector: {}\ningress: [{ports: [{port: yes}]}]")).errors.first)
        #expect((error.line, error.column) == (6, 29))
    }

    private func short(_ error: ManifestError) -> String {
        "\(error.line): \(error.field ?? "-"): \(error.message)"
    }
}
