// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import PolicyEngine
import Testing

/// The places where an empty list, an absent one and an empty element mean different things.
@Suite struct TranslationTests {
    private func object(
        _ types: [NetworkPolicy.PolicyType]?, ingress: [NetworkPolicy.IngressRule]? = nil,
        egress: [NetworkPolicy.EgressRule]? = nil
    ) -> PolicyObject {
        PolicyObject(
            NetworkPolicy(namespace: "blue", name: "p", policyTypes: types, ingress: ingress, egress: egress))
    }

    @Test func `policyTypes default to ingress, and to egress if there are egress rules`() {
        #expect(object(nil).defaultDeny == [.ingress])
        #expect(object([]).defaultDeny == [.ingress])
        #expect(object(nil, egress: []).defaultDeny == [.ingress])
        #expect(object(nil, egress: [.init()]).defaultDeny == [.ingress, .egress])
        #expect(object([.egress]).defaultDeny == [.egress])
        #expect(object([.unknown("x")]).defaultDeny == [])
    }

    @Test func `rules of a direction that is not among the types don't count`() {
        #expect(object([.egress], ingress: [.init()], egress: [.init()]).rules.map(\.direction) == [.egress])
        #expect(object([.ingress], ingress: [.init()], egress: [.init()]).rules.map(\.direction) == [.ingress])
    }

    @Test func `absent and empty lists in a rule are everything, in the policy nothing`() {
        #expect(object(nil, ingress: []).rules.isEmpty)
        for rule in [NetworkPolicy.IngressRule(), .init(from: [], ports: [])] {
            let rules = object(nil, ingress: [rule]).rules
            #expect(rules.count == 1 && rules[0].peers == nil && rules[0].ports == nil)
        }
    }

    @Test func `a pod selector alone means the policy's namespace, with a namespace selector those`() {
        let web = LabelSelector(matchLabels: ["app": "web"])
        let red = LabelSelector(matchLabels: ["team": "red"])
        let peers: [NetworkPolicy.Peer] = [
            .init(podSelector: web), .init(namespaceSelector: red), .init(podSelector: web, namespaceSelector: red),
            .init(podSelector: LabelSelector()), .init(namespaceSelector: LabelSelector()),
        ]
        #expect(
            object(nil, ingress: [.init(from: peers)]).rules.first?.peers == [
                .pods(PodSelector(namespaces: .named("blue"), pods: web)),
                .pods(PodSelector(namespaces: .matching(red))),
                .pods(PodSelector(namespaces: .matching(red), pods: web)),
                .pods(PodSelector(namespaces: .named("blue"))),
                .pods(PodSelector(namespaces: .matching(LabelSelector()))),
            ])
    }

    @Test func `ports default to TCP, and to all numbers of the protocol`() {
        let ports: [NetworkPolicy.Port] = [
            .init(), .init(protocolName: "UDP"), .init(port: .number(80)), .init(port: .number(80), endPort: 90),
            .init(protocolName: "SCTP", port: .name("x")),
        ]
        let range = PortRange(first: 80, last: 90) ?? .all
        #expect(
            object(nil, ingress: [.init(ports: ports)]).rules.first?.ports == [
                .range(.tcp, .all), .range(.udp, .all), .range(.tcp, PortRange(80)), .range(.tcp, range),
                .named(.sctp, "x"),
            ])
    }

    @Test func `what is wrong matches nothing instead of everything`() {
        let peers: [NetworkPolicy.Peer] = [
            .init(), .init(ipBlock: .init(cidr: "x")), .init(ipBlock: .init(cidr: "10.0.0.0/8", except: ["y"])),
            .init(podSelector: LabelSelector(), ipBlock: .init(cidr: "10.0.0.0/8")),
        ]
        let ports: [NetworkPolicy.Port] = [
            .init(protocolName: "X"), .init(port: .number(70_000)), .init(port: .number(9), endPort: 8),
            .init(endPort: 8), .init(port: .name("a"), endPort: 8),
        ]
        let rules = object(nil, ingress: [.init(from: peers, ports: ports)]).rules
        #expect(rules.count == 1 && rules[0].peers == [] && rules[0].ports == [])
    }

    @Test func `a rule names its object and is counted from 1`() {
        let rules = object(nil, ingress: [.init(), .init()], egress: [.init()]).rules
        #expect(
            rules.map(\.origin.description) == [
                "NetworkPolicy blue/p ingress rule 1", "NetworkPolicy blue/p ingress rule 2",
                "NetworkPolicy blue/p egress rule 1",
            ])
    }
}
