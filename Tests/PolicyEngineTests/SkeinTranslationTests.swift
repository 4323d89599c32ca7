// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import PolicyEngine
import Testing

/// The places where SkeinNetworkPolicy differs from what one would think, or from NetworkPolicy.
@Suite struct SkeinTranslationTests {
    private typealias Spec = SkeinNetworkPolicy.Spec
    private typealias Rule = SkeinNetworkPolicy.Rule
    private typealias Port = SkeinNetworkPolicy.Port

    private func object(_ spec: Spec, namespace: String? = "blue") -> PolicyObject? {
        let objects = PolicyObject.objects(of: SkeinNetworkPolicy(namespace: namespace, name: "p", spec: spec))
        return objects.count == 1 ? objects.first : nil
    }

    private func rule(_ rule: Rule, namespace: String? = "blue") throws -> PolicyRule {
        try #require(object(Spec(ingress: [rule]), namespace: namespace)?.rules.first)
    }

    @Test func `a section with a rule in it turns default deny on, an empty or absent one doesn't`() {
        #expect(object(Spec())?.defaultDeny == [])
        #expect(object(Spec(ingress: [], ingressDeny: [], egress: [], egressDeny: []))?.defaultDeny == [])
        #expect(object(Spec(ingress: [Rule()]))?.defaultDeny == [.ingress])
        #expect(object(Spec(ingressDeny: [Rule()]))?.defaultDeny == [.ingress])
        #expect(object(Spec(egress: [Rule()]))?.defaultDeny == [.egress])
        #expect(object(Spec(ingress: [], egressDeny: [Rule()]))?.defaultDeny == [.egress])
    }

    @Test func `enableDefaultDeny has the last word, for each direction by itself`() {
        let off = SkeinNetworkPolicy.DefaultDeny(ingress: false)
        #expect(object(Spec(ingress: [Rule()], egress: [Rule()], enableDefaultDeny: off))?.defaultDeny == [.egress])
        let on = SkeinNetworkPolicy.DefaultDeny(egress: true)
        #expect(object(Spec(enableDefaultDeny: on))?.defaultDeny == [.egress])
    }

    @Test func `a rule that says nothing matches nothing, one with ports alone matches everybody`() throws {
        #expect(try rule(Rule()).peers == [])
        #expect(try rule(Rule(toPorts: [], icmps: [])).peers == [])
        let ports = try rule(Rule(toPorts: [[Port(port: "80", protocolName: "TCP")]]))
        #expect(ports.peers == nil && ports.ports == [.range(.tcp, PortRange(80))])
    }

    @Test func `a list of peers that is empty is nobody, an empty selector in it is every pod of the namespace`() throws
    {
        let ports = [[Port(port: "80")]]
        #expect(try rule(Rule(endpoints: [])).peers == [])
        #expect(try rule(Rule(endpoints: [], toPorts: ports)).peers == [])
        #expect(try rule(Rule(cidrs: [], toPorts: ports)).peers == [])
        #expect(try rule(Rule(entities: [], toPorts: ports)).peers == [])
        #expect(
            try rule(Rule(endpoints: [LabelSelector()])).peers == [.pods(PodSelector(namespaces: .named("blue")))])
        #expect(
            try rule(Rule(endpoints: [LabelSelector()]), namespace: nil).peers == [
                .pods(PodSelector(namespaces: .matching(LabelSelector())))
            ])
    }

    @Test(
        arguments: [
            (["app": "web"], .named("blue"), ["app": "web"]),
            (["k8s:app": "web", "any:tier": "front"], .named("blue"), ["app": "web", "tier": "front"]),
            (["k8s:io.kubernetes.pod.namespace": "red"], .named("red"), [:]),
            (["io.kubernetes.pod.namespace": "red", "app": "web"], .named("red"), ["app": "web"]),
            (
                ["k8s:io.cilium.k8s.namespace.labels.team": "a"],
                .matching(LabelSelector(matchLabels: ["team": "a"])), [:]
            ),
            (
                ["dev.skein.k8s.namespace.labels.example.com/team": "a", "app": "web"],
                .matching(LabelSelector(matchLabels: ["example.com/team": "a"])), ["app": "web"]
            ),
            (
                ["io.cilium.k8s.namespace.labels.team": "a", "io.kubernetes.pod.namespace": "red"],
                .matching(LabelSelector(matchLabels: ["team": "a", Namespace.nameLabel: "red"])), [:]
            ),
        ] as [(Labels, NamespaceScope, Labels)])
    func `labels may have a source, and choose the namespace`(
        labels: Labels, namespaces: NamespaceScope, pods: Labels
    ) throws {
        #expect(
            try rule(Rule(endpoints: [LabelSelector(matchLabels: labels)])).peers == [
                .pods(PodSelector(namespaces: namespaces, pods: LabelSelector(matchLabels: pods)))
            ])
    }

    @Test func `a policy of a namespace holds in it, whatever else its selector says`() {
        let labels = SecurityLabels(
            namespace: "blue", Namespace(name: "blue", labels: ["team": "a"]), podLabels: ["app": "web"])
        let elsewhere = SecurityLabels(
            namespace: "red", Namespace(name: "red", labels: ["team": "a"]), podLabels: ["app": "web"])
        for selector in [
            [:], ["app": "web"], ["k8s:io.kubernetes.pod.namespace": "blue"],
            ["io.cilium.k8s.namespace.labels.team": "a"],
        ] as [Labels] {
            let spec = Spec(endpointSelector: LabelSelector(matchLabels: selector), ingress: [])
            #expect(object(spec)?.subject.matches(labels) == true)
            #expect(object(spec)?.subject.matches(elsewhere) == false)
        }
        let spec = Spec(endpointSelector: LabelSelector(matchLabels: ["io.kubernetes.pod.namespace": "red"]))
        #expect(object(spec) == nil)
        #expect(object(spec, namespace: nil)?.subject == PodSelector(namespaces: .named("red")))
    }

    @Test(
        arguments: [
            (["host"], [.entities(.host)]), (["cluster"], [.entities(.cluster)]),
            (["remote-node", "world"], [.entities([.remoteNode, .world])]),
            (["kube-apiserver", "health", "init"], [.entities([.kubeAPIServer, .health, .`init`])]),
            (["all"], nil), (["host", "all"], nil),
        ] as [([String], [PeerSelector]?)])
    func `entities`(names: [String], peers: [PeerSelector]?) throws {
        #expect(try rule(Rule(entities: names)).peers == peers)
    }

    @Test func `ranges are about what is outside the cluster, single addresses too`() throws {
        let block = try #require(Prefix("10.0.0.0/8"))
        let except = try #require(Prefix("10.1.0.0/16"))
        let host = try #require(Prefix("192.0.2.1/32"))
        #expect(
            try rule(Rule(cidrs: ["10.0.0.0/8", "192.0.2.1"])).peers == [
                .outside(AddressBlock(block)), .outside(AddressBlock(host)),
            ])
        #expect(
            try rule(Rule(cidrSets: [.init(cidr: "10.0.0.0/8", except: ["10.1.0.0/16"])])).peers == [
                .outside(AddressBlock(block, except: [except]))
            ])
    }

    @Test func `ports without a protocol are of TCP, UDP and SCTP, and port 0 is all of them`() throws {
        func ports(_ port: Port) throws -> [PortSelector]? { try rule(Rule(toPorts: [[port]])).ports }
        let all = [IPProtocol.tcp, .udp, .sctp]
        #expect(try ports(Port(port: "80")) == all.map { .range($0, PortRange(80)) })
        #expect(try ports(Port(port: "80", protocolName: "ANY")) == all.map { .range($0, PortRange(80)) })
        #expect(try ports(Port(port: "0")) == all.map { .range($0, .all) })
        #expect(try ports(Port(port: "0", protocolName: "UDP")) == [.range(.udp, .all)])
        #expect(try ports(Port(port: "HTTP")) == all.map { .named($0, "http") })
        let range = try #require(PortRange(first: 80, last: 90))
        #expect(try ports(Port(port: "80", endPort: 90, protocolName: "TCP")) == [.range(.tcp, range)])
        #expect(try ports(Port(port: "80", endPort: 0, protocolName: "TCP")) == [.range(.tcp, PortRange(80))])
        // Mistakes match nothing.
        #expect(try ports(Port(port: "80", endPort: 70)) == [])
        #expect(try ports(Port(port: "http", endPort: 70)) == [])
        #expect(try ports(Port(port: "70000")) == [])
        #expect(try ports(Port(port: "80", protocolName: "tcp")) == [])
    }

    @Test func `ICMP types take the place of ports`() throws {
        let fields: [SkeinNetworkPolicy.ICMPField] = [
            .init(type: "EchoRequest"), .init(family: "IPv6", type: "EchoRequest"), .init(family: "IPv6", type: "1"),
        ]
        #expect(
            try rule(Rule(icmps: [fields])).ports == [
                .range(.icmp, PortRange(8)), .range(.icmpv6, PortRange(128)), .range(.icmpv6, PortRange(1)),
            ])
    }

    @Test func `each of several specs is an object by itself, and rules are told apart`() {
        let policy = SkeinNetworkPolicy(
            namespace: "blue", name: "p", spec: Spec(ingress: [Rule()], ingressDeny: [Rule()]),
            specs: [Spec(endpointSelector: LabelSelector(matchLabels: ["app": "web"]), egressDeny: [Rule()])])
        let objects = PolicyObject.objects(of: policy)
        #expect(objects.map(\.reference) == [policy.reference, policy.reference])
        #expect(objects.map(\.defaultDeny) == [[.ingress], [.egress]])
        #expect(
            objects.flatMap(\.rules).map(\.origin.description) == [
                "SkeinNetworkPolicy blue/p ingress rule 1", "SkeinNetworkPolicy blue/p ingressDeny rule 1",
                "SkeinNetworkPolicy blue/p spec 1 egressDeny rule 1",
            ])
        #expect(objects.flatMap(\.rules).map(\.action) == [.allow, .deny, .deny])
    }
}
