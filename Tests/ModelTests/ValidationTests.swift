// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import Testing

@Suite struct ValidationTests {
    private static func policy(_ change: (inout NetworkPolicy) -> Void = { _ in }) -> NetworkPolicy {
        var policy = NetworkPolicy(
            namespace: "default", name: "web",
            podSelector: LabelSelector(matchLabels: ["app": "web"]),
            policyTypes: [.ingress, .egress],
            ingress: [
                .init(
                    from: [
                        .init(podSelector: LabelSelector(), namespaceSelector: LabelSelector()),
                        .init(ipBlock: .init(cidr: "10.0.0.0/8", except: ["10.1.0.0/16", "10.2.0.0/32"])),
                    ],
                    ports: [.init(), .init(protocolName: "SCTP", port: .number(1), endPort: 65535)])
            ],
            egress: [.init(to: [.init(ipBlock: .init(cidr: "fd00::/8"))], ports: [.init(port: .name("http"))])])
        change(&policy)
        return policy
    }

    @Test func `a policy with one of everything is fine`() {
        #expect(Self.policy().validate() == [])
        #expect(NetworkPolicy(namespace: "a", name: "b").validate() == [])
    }

    struct Fault: CustomStringConvertible, Sendable {
        let path: String
        let change: @Sendable (inout NetworkPolicy) -> Void
        var description: String { path }

        init(_ path: String, _ change: @escaping @Sendable (inout NetworkPolicy) -> Void) {
            self.path = path
            self.change = change
        }
    }

    private static func peer(_ peer: NetworkPolicy.Peer) -> @Sendable (inout NetworkPolicy) -> Void {
        { $0.ingress = [.init(), .init(from: [.init(podSelector: LabelSelector()), peer])] }
    }

    private static func block(_ cidr: String, _ except: String...) -> @Sendable (inout NetworkPolicy) -> Void {
        peer(.init(ipBlock: .init(cidr: cidr, except: except)))
    }

    private static func port(_ port: NetworkPolicy.Port) -> @Sendable (inout NetworkPolicy) -> Void {
        { $0.egress = [.init(ports: [.init(), port])] }
    }

    private static func expression(
        _ text: String, _ values: [String], key: String = "app"
    ) -> @Sendable (inout NetworkPolicy) -> Void {
        {
            $0.podSelector.matchExpressions = [
                .init(key: "ok", operator: .exists), .init(key: key, operator: .init(rawValue: text), values: values),
            ]
        }
    }

    private static let from = "spec.ingress[1].from[1]"
    private static let ports = "spec.egress[0].ports[1]"
    private static let match = "spec.podSelector.matchExpressions[1]"

    @Test(arguments: [
        Fault("metadata.name") { $0.name = "Web" },
        Fault("metadata.namespace") { $0.namespace = "a.b" },
        Fault("spec.policyTypes[1]") { $0.policyTypes = [.ingress, .unknown("egress")] },
        Fault("spec.policyTypes") { $0.policyTypes = [.ingress, .egress, .ingress] },
        Fault("spec.podSelector.matchLabels") { $0.podSelector.matchLabels = ["a/b/c": "x"] },
        Fault("spec.podSelector.matchLabels[a]") { $0.podSelector.matchLabels = ["a": "not a value"] },
        Fault(match + ".values", expression("In", [])),
        Fault(match + ".values", expression("NotIn", [])),
        Fault(match + ".values", expression("Exists", ["a"])),
        Fault(match + ".values", expression("DoesNotExist", ["a"])),
        Fault(match + ".operator", expression("Equals", ["a"])),
        Fault(match + ".key", expression("Exists", [], key: "-")),
        Fault(match + ".values[1]", expression("In", ["a", "b c"])),
        Fault(from, peer(.init())),
        Fault(from, peer(.init(podSelector: LabelSelector(), ipBlock: .init(cidr: "10.0.0.0/8")))),
        Fault(from, peer(.init(namespaceSelector: LabelSelector(), ipBlock: .init(cidr: "10.0.0.0/8")))),
        Fault(
            from + ".namespaceSelector.matchLabels[a]",
            peer(.init(namespaceSelector: LabelSelector(matchLabels: ["a": "/"])))),
        Fault(from + ".ipBlock.cidr", block("10.0.0.0")),
        Fault(from + ".ipBlock.cidr", block("10.0.0.0/33")),
        Fault(from + ".ipBlock.cidr", block("")),
        Fault(from + ".ipBlock.except[1]", block("10.0.0.0/8", "10.1.0.0/16", "11.0.0.0/16")),
        Fault(from + ".ipBlock.except[0]", block("10.0.0.0/8", "10.0.0.0/8")),
        Fault(from + ".ipBlock.except[0]", block("10.0.0.0/8", "0.0.0.0/0")),
        Fault(from + ".ipBlock.except[0]", block("10.0.0.0/8", "fd00::/16")),
        Fault(from + ".ipBlock.except[0]", block("10.0.0.0/8", "x")),
        Fault(ports + ".protocol", port(.init(protocolName: "ICMP"))),
        Fault(ports + ".protocol", port(.init(protocolName: "tcp"))),
        Fault(ports + ".port", port(.init(port: .number(0)))),
        Fault(ports + ".port", port(.init(port: .number(65536)))),
        Fault(ports + ".port", port(.init(port: .name("80")))),
        Fault(ports + ".endPort", port(.init(port: .number(80), endPort: 79))),
        Fault(ports + ".endPort", port(.init(port: .number(80), endPort: 65536))),
        Fault(ports + ".endPort", port(.init(port: .name("http"), endPort: 80))),
        Fault(ports + ".endPort", port(.init(endPort: 80))),
    ])
    func `a fault is reported once, with the path of its field`(fault: Fault) {
        #expect(Self.policy(fault.change).validate().map(\.path) == [fault.path])
    }

    @Test func `an error names the field and the value`() {
        let errors = Self.policy(Self.block("10.0.0.0/8", "11.0.0.0/16")).validate()
        #expect(
            errors.map(\.description) == [
                "spec.ingress[1].from[1].ipBlock.except[0]: \"11.0.0.0/16\" must be a part of 10.0.0.0/8, and smaller"
            ])
    }

    @Test func `every fault of a policy is reported`() {
        let policy = Self.policy {
            $0.name = ""
            Self.block("x", "y")(&$0)
            Self.port(.init(protocolName: "X", port: .number(-1), endPort: -2))(&$0)
        }
        #expect(
            policy.validate().map(\.path) == [
                "metadata.name", Self.from + ".ipBlock.cidr", Self.from + ".ipBlock.except[0]",
                Self.ports + ".protocol", Self.ports + ".port", Self.ports + ".endPort", Self.ports + ".endPort",
            ])
    }

    @Test func `pods and namespaces are checked too`() {
        #expect(Namespace(name: "a").validate() == [])
        #expect(Namespace(name: "a.b", labels: ["x": "-"]).validate().map(\.path).contains("metadata.labels[x]"))
        let port = NamedPort(name: "http", protocol: .tcp, port: 80)
        #expect(Pod(namespace: "a", name: "b.c", labels: ["x": ""], namedPorts: [port]).validate() == [])
        let faulty = Pod(
            namespace: "A", name: "", labels: ["": "x"],
            namedPorts: [port, NamedPort(name: "80", protocol: .tcp, port: 0)])
        #expect(
            faulty.validate().map(\.path) == [
                "metadata.name", "metadata.namespace", "metadata.labels", "spec.ports[1].name",
                "spec.ports[1].containerPort",
            ])
    }
}
