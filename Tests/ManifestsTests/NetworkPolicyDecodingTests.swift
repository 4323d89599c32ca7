// SPDX-License-Identifier: Apache-2.0
import Model
import ObjectDecoding
import Testing

@testable import Manifests

@Suite struct NetworkPolicyDecodingTests {
    struct Case: CustomTestStringConvertible {
        let name: String
        let spec: String
        let expected: NetworkPolicy

        init(_ name: String, _ spec: String, _ change: (inout NetworkPolicy) -> Void) {
            self.name = name
            self.spec = spec
            var policy = NetworkPolicy(namespace: "default", name: "web")
            change(&policy)
            expected = policy
        }

        var testDescription: String { name }
    }

    private static let web = LabelSelector(matchLabels: ["app": "web"])

    static let cases = [
        Case("no rules", "podSelector: {}") { _ in },
        Case("selector", "podSelector: {matchLabels: {app: web, \"n\": \"1\"}}") {
            $0.podSelector.matchLabels = ["app": "web", "n": "1"]
        },
        Case(
            "expressions",
            """
            podSelector:
              matchExpressions:
              - {key: a, operator: In, values: [x, "2"]}
              - {key: b, operator: NotIn, values: [z]}
              - {key: c, operator: Exists}
              - {key: d, operator: DoesNotExist, values: []}
            """
        ) {
            $0.podSelector.matchExpressions = [
                .init(key: "a", operator: .in, values: ["x", "2"]), .init(key: "b", operator: .notIn, values: ["z"]),
                .init(key: "c", operator: .exists), .init(key: "d", operator: .doesNotExist),
            ]
        },
        Case("types", "podSelector: {}\npolicyTypes: [Ingress, Egress]") { $0.policyTypes = [.ingress, .egress] },
        Case("no types", "podSelector: {}\npolicyTypes: []") { $0.policyTypes = [] },
        Case("empty lists", "podSelector: {}\ningress: []\negress: []") {
            $0.ingress = []
            $0.egress = []
        },
        Case("empty rules", "podSelector: {}\ningress: [{}]\negress:\n- {}") {
            $0.ingress = [.init()]
            $0.egress = [.init()]
        },
        Case("empty lists in rules", "podSelector: {}\ningress:\n- {from: [], ports: []}\negress:\n- to: []") {
            $0.ingress = [.init(from: [], ports: [])]
            $0.egress = [.init(to: [])]
        },
        Case(
            "peers",
            """
            podSelector: {}
            ingress:
            - from:
              - podSelector: {matchLabels: {app: web}}
              - namespaceSelector: {}
              - namespaceSelector: {matchLabels: {app: web}}
                podSelector: {}
            egress:
            - to:
              - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
              - ipBlock:
                  cidr: "fd00::/8"
            """
        ) {
            $0.ingress = [
                .init(from: [
                    .init(podSelector: web), .init(namespaceSelector: .init()),
                    .init(podSelector: .init(), namespaceSelector: web),
                ])
            ]
            $0.egress = [
                .init(to: [
                    .init(ipBlock: .init(cidr: "10.0.0.0/8", except: ["10.1.0.0/16"])),
                    .init(ipBlock: .init(cidr: "fd00::/8")),
                ])
            ]
        },
        Case(
            "ports",
            """
            podSelector: {}
            ingress:
            - ports:
              - port: 80
              - {protocol: UDP, port: 5000, endPort: 6000}
              - {protocol: SCTP}
              - {}
              - port: http
              - port: "dns-tcp"
            """
        ) {
            $0.ingress = [
                .init(ports: [
                    .init(port: .number(80)), .init(protocolName: "UDP", port: .number(5000), endPort: 6000),
                    .init(protocolName: "SCTP"), .init(), .init(port: .name("http")), .init(port: .name("dns-tcp")),
                ])
            ]
        },
        Case(
            "anchors and merges",
            """
            podSelector: &all {}
            ingress:
            - &rule
              from: [{podSelector: *all}]
              ports: &ports [{port: 1}]
            egress:
            - to: &peers [{namespaceSelector: {}}]
              ports: *ports
            - <<: {ports: *ports, to: []}
              to: *peers
            """
        ) {
            $0.ingress = [.init(from: [.init(podSelector: .init())], ports: [.init(port: .number(1))])]
            let rule = NetworkPolicy.EgressRule(
                to: [.init(namespaceSelector: .init())], ports: [.init(port: .number(1))])
            $0.egress = [rule, rule]
        },
    ]

    @Test(arguments: cases) func `a policy is read as it is written`(_ test: Case) throws {
        let decoded = decode(policyText(test.spec))
        #expect(decoded.errors.map(\.description) == [])
        #expect(decoded.objects.map(\.object) == [.networkPolicy(test.expected)])
    }

    @Test func `of merged mappings the first one counts`() throws {
        let policy = decodePolicy("podSelector: {}\ningress:\n- <<: [{ports: [{port: 1}]}, {ports: [], from: []}]")
        #expect(policy?.ingress == [.init(from: [], ports: [.init(port: .number(1))])])
    }

    @Test func `a thousand policies in one file are all there`() {
        let text = (0..<1000).map { number in
            policyText(
                """
                podSelector: {matchLabels: {app: a\(number)}}
                policyTypes: [Ingress, Egress]
                ingress:
                - from:
                  - podSelector: {matchLabels: {app: b\(number)}}
                  - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
                  ports: [{port: 80}, {port: 8000, endPort: 9000}]
                """, name: "p\(number)")
        }.joined(separator: "---\n")
        let decoded = decode(text)
        #expect(decoded.errors.isEmpty)
        #expect(Set(decoded.objects.map(\.reference)).count == 1000)
        #expect(decoded.objects.map(\.line) == (0..<1000).map { $0 == 0 ? 1 : $0 * 12 + 1 })
    }
}
