// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import PolicyEngine
import Testing

/// Who counts as what peer.
@Suite struct PeerTests {
    private static let server = IPAddress(v4: 0x0a00_0001)
    private static let client = IPAddress(v4: 0x0a00_0002)
    private static let stranger = IPAddress(v4: 0xc000_0201)

    private static func labels(_ app: String) -> SecurityLabels {
        SecurityLabels(namespace: "default", nil, podLabels: ["app": app])
    }

    private static func endpoint(_ number: UInt16, _ app: String, _ addresses: IPAddress...) -> PolicyEndpoint {
        PolicyEndpoint(number: number, addresses: addresses, labels: labels(app))
    }

    private static func policy(
        from peers: [NetworkPolicy.Peer]?, ports: [NetworkPolicy.Port]? = nil
    ) -> PolicyObject {
        PolicyObject(
            NetworkPolicy(
                namespace: "default", name: "p", podSelector: LabelSelector(matchLabels: ["app": "server"]),
                ingress: [.init(from: peers, ports: ports)]))
    }

    private static func pods(_ app: String) -> NetworkPolicy.Peer {
        .init(podSelector: LabelSelector(matchLabels: ["app": app]))
    }

    private func allows(
        _ state: TableState, _ source: IPAddress, _ destination: IPAddress = Self.server,
        _ number: IPProtocol = .tcp, _ port: UInt16 = 80
    ) -> Bool {
        interpret(state, from: source, to: destination, protocol: number, port: port).isAllowed
    }

    @Test func `an endpoint overrules a pod that is said to have its address, until it goes`() {
        var compiler = PolicyCompiler()
        var state = TableState()
        compiler.stage(Self.endpoint(1, "server", Self.server))
        compiler.stage(Self.policy(from: [Self.pods("client")]))
        compiler.stage(.pod(Self.labels("other"), namedPorts: []), at: Self.client)
        state.apply(compiler.commit())
        #expect(!allows(state, Self.client))

        compiler.stage(Self.endpoint(2, "client", Self.client))
        state.apply(compiler.commit())
        #expect(allows(state, Self.client))
        #expect(state.peers[Self.client]?.endpoint == 2)

        compiler.stageRemoval(ofEndpoint: 2)
        let changes = compiler.commit()
        state.apply(changes)
        state.removeEndpoint(2)
        #expect(changes.judgeAgain && changes.views.isEmpty)
        #expect(!allows(state, Self.client))
        #expect(state.peers[Self.client]?.endpoint == 0)
    }

    @Test func `an endpoint that takes another's number or address replaces it`() {
        var compiler = PolicyCompiler()
        var state = TableState()
        compiler.stage(Self.endpoint(1, "server", Self.server))
        compiler.stage(Self.endpoint(2, "client", Self.client))
        compiler.stage(Self.policy(from: [Self.pods("client")]))
        state.apply(compiler.commit())
        #expect(allows(state, Self.client))
        // Number 2 is another pod now, and number 3 has the address.
        compiler.stage(Self.endpoint(2, "client", Self.stranger))
        compiler.stage(Self.endpoint(3, "other", Self.client))
        state.apply(compiler.commit())
        #expect(allows(state, Self.stranger) && !allows(state, Self.client))
        #expect(state.peers[Self.client]?.endpoint == 3 && state.peers[Self.stranger]?.endpoint == 2)
    }

    @Test func `a reserved endpoint is matched by no label selector and selected by no policy`() {
        var compiler = PolicyCompiler()
        var state = TableState()
        compiler.stage(Self.endpoint(1, "server", Self.server))
        var health = Self.endpoint(2, "server", Self.client)
        health.reserved = .health
        compiler.stage(health)
        compiler.stage(Self.policy(from: [.init(namespaceSelector: LabelSelector())]))
        state.apply(compiler.commit())
        #expect(!allows(state, Self.client))
        #expect(allows(state, Self.stranger, Self.client))
        #expect(state.views[2]?.identity == ReservedIdentity.health.rawValue)
        #expect(state.views[2]?.enforceIngress == false)
    }

    @Test(arguments: [PolicyPeer.host, .remoteNode])
    func `nodes are matched by address blocks and never by labels`(node: PolicyPeer) {
        var compiler = PolicyCompiler()
        var state = TableState()
        compiler.stage(Self.endpoint(1, "server", Self.server))
        compiler.stage(node, at: Self.client)
        compiler.stage(Self.policy(from: [.init(namespaceSelector: LabelSelector())]))
        state.apply(compiler.commit())
        #expect(!allows(state, Self.client))
        #expect(state.peers[Self.client]?.isHost == (node == .host))
        #expect(state.peers[Self.client]?.isRemoteNode == (node == .remoteNode))
        compiler.stage(Self.policy(from: [.init(ipBlock: .init(cidr: "10.0.0.2/32"))]))
        state.apply(compiler.commit())
        #expect(allows(state, Self.client))
    }

    @Test func `a block of all IPv6 says nothing of IPv4, though mapped addresses lie in it`() {
        var compiler = PolicyCompiler()
        var state = TableState()
        let sixth = IPAddress(high: 0xfd00 << 48, low: 1)
        compiler.stage(Self.endpoint(1, "server", Self.server, sixth))
        compiler.stage(Self.policy(from: [.init(ipBlock: .init(cidr: "::/0"))]))
        let changes = compiler.commit()
        state.apply(changes)
        #expect(Set(changes.prefixes.map(\.prefix)) == [.allIPv4, .allIPv6])
        #expect(!allows(state, Self.stranger))
        #expect(allows(state, IPAddress(high: 0x2001 << 48, low: 1), sixth))
    }

    @Test func `rules without ports let ICMP pass, rules with ports don't`() {
        for (ports, passes) in [(nil, true), ([NetworkPolicy.Port()], false)] {
            var compiler = PolicyCompiler()
            var state = TableState()
            compiler.stage(Self.endpoint(1, "server", Self.server))
            compiler.stage(Self.policy(from: nil, ports: ports))
            state.apply(compiler.commit())
            #expect(allows(state, Self.stranger, Self.server, .icmp, 8) == passes)
            #expect(allows(state, Self.stranger, Self.server, .tcp, 8))
        }
    }

    @Test func `ICMP rules go by type`() {
        var compiler = PolicyCompiler()
        var state = TableState()
        compiler.stage(Self.endpoint(1, "server", Self.server))
        var object = Self.policy(from: nil)
        object.rules[0].ports = [.range(.icmp, PortRange(8))]
        compiler.stage(object)
        state.apply(compiler.commit())
        #expect(allows(state, Self.stranger, Self.server, .icmp, 8))
        #expect(!allows(state, Self.stranger, Self.server, .icmp, 13))
        #expect(!allows(state, Self.stranger, Self.server, .tcp, 8))
    }

    @Test func `endpoints of one kind share a policy, ports by another number make another`() {
        var compiler = PolicyCompiler()
        compiler.stage(Self.policy(from: nil, ports: [.init(port: .name("http"))]))
        for (number, port) in [(UInt16(1), UInt16(80)), (2, 80), (3, 8080)] {
            var endpoint = Self.endpoint(number, "server", IPAddress(v4: 0x0a00_0100 + UInt32(number)))
            endpoint.namedPorts = [NamedPort(name: "http", protocol: .tcp, port: port)]
            compiler.stage(endpoint)
        }
        compiler.stage(Self.endpoint(4, "lonely", Self.client))
        let changes = compiler.commit()
        let views = Dictionary(uniqueKeysWithValues: changes.views.map { ($0.endpoint, $0.view) })
        #expect(views[1]?.policy == views[2]?.policy && views[1]?.policy != views[3]?.policy)
        #expect(views[4].map { $0.policy != 0 && !$0.enforceIngress && !$0.enforceEgress } ?? false)
        #expect(views[1].map { $0.enforceIngress && !$0.enforceEgress } ?? false)
    }
}
