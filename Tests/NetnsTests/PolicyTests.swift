// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import NetTypes
import TestSupport
import Testing

private let serverIngress = """
    podSelector: {matchLabels: {app: server}}
    policyTypes: [Ingress]

    """

extension NetnsTests {
    @Suite struct PolicyTests {
        @Test func `a selected pod is closed, but for the node, and may still call`() throws {
            try Cast.with(policyManifest("closed", serverIngress)) { cast in
                let friendly = try EchoServer(in: cast.friend, tcp: [80])
                defer { friendly.stop() }
                try expect(
                    on: cast.node,
                    [
                        refused(.tcp(80), cast.friend, cast.server), refused(.udp(53), cast.friend, cast.server),
                        refused(.ping, cast.friend, cast.server), refused(.tcp(80), cast.guest, cast.server),
                        refused(.tcp(80), from: cast.world, to: cast.server.addresses),
                        allowed(.tcp(80), from: cast.node.namespace, to: cast.server.addresses),
                        allowed(.ping, from: cast.node.namespace, to: cast.server.addresses),
                        allowed(.tcp(80), cast.server, cast.friend),
                        allowed(.tcp(80), from: cast.server.namespace, to: [World.address4, World.address6]),
                    ])
            }
        }

        @Test func `podSelector lets in pods of the policy's namespace`() throws {
            let rule = "ingress:\n- from:\n  - podSelector: {matchLabels: {role: friend}}"
            try Cast.with(policyManifest("friends", serverIngress + rule)) { cast in
                try expect(
                    on: cast.node,
                    [
                        allowed(.tcp(80), cast.friend, cast.server), allowed(.udp(53), cast.friend, cast.server),
                        allowed(.ping, cast.friend, cast.server), refused(.tcp(80), cast.stranger, cast.server),
                        refused(.tcp(80), cast.guest, cast.server), refused(.ping, cast.guest, cast.server),
                    ])
            }
        }

        @Test func `namespaceSelector lets in all pods of a namespace`() throws {
            let rule = "ingress:\n- from:\n  - namespaceSelector: {matchLabels: {team: guests}}"
            try Cast.with(policyManifest("guests", serverIngress + rule)) { cast in
                try expect(
                    on: cast.node,
                    [allowed(.tcp(80), cast.guest, cast.server), refused(.tcp(80), cast.friend, cast.server)])
            }
        }

        @Test func `both selectors of a peer have to match`() throws {
            let rule = """
                ingress:
                - from:
                  - namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [home, guests]}]}
                    podSelector: {matchExpressions: [{key: role, operator: NotIn, values: [stranger]}]}
                """
            try Cast.with(policyManifest("both", serverIngress + rule)) { cast in
                try expect(
                    on: cast.node,
                    [
                        allowed(.tcp(80), cast.guest, cast.server), allowed(.tcp(80), cast.friend, cast.server),
                        refused(.tcp(80), cast.stranger, cast.server),
                        refused(.tcp(80), from: cast.world, to: cast.server.addresses),
                    ])
            }
        }

        @Test func `numeric and named ports, protocols and ranges limit a rule`() throws {
            let rule = """
                ingress:
                - from:
                  - podSelector: {matchLabels: {role: friend}}
                  ports:
                  - port: web
                  - {port: 53, protocol: UDP}
                - ports:
                  - {port: 8000, endPort: 8010, protocol: TCP}
                """
            try Cast.with(policyManifest("ports", serverIngress + rule)) { cast in
                try expect(
                    on: cast.node,
                    [
                        allowed(.tcp(80), cast.friend, cast.server), refused(.tcp(81), cast.friend, cast.server),
                        allowed(.udp(53), cast.friend, cast.server), refused(.udp(54), cast.friend, cast.server),
                        refused(.udp(80), cast.friend, cast.server), refused(.tcp(53), cast.friend, cast.server),
                        refused(.ping, cast.friend, cast.server), refused(.tcp(80), cast.stranger, cast.server),
                        allowed(.tcp(8_000), cast.stranger, cast.server),
                        allowed(.tcp(8_005), cast.guest, cast.server),
                        allowed(.tcp(8_010), from: cast.world, to: cast.server.addresses),
                        refused(.tcp(8_011), cast.stranger, cast.server),
                    ])
            }
        }

        @Test func `an empty rule opens a pod, an empty list does not`() throws {
            try Cast.with(
                policyManifest("open", serverIngress + "ingress: [{}]"),
                policyManifest("shut", "podSelector: {matchLabels: {role: friend}}\ningress: []")
            ) { cast in
                let friendly = try EchoServer(in: cast.friend, tcp: [80])
                defer { friendly.stop() }
                try expect(
                    on: cast.node,
                    [
                        allowed(.tcp(81), cast.stranger, cast.server), allowed(.ping, cast.guest, cast.server),
                        allowed(.tcp(80), from: cast.world, to: cast.server.addresses),
                        refused(.tcp(80), cast.stranger, cast.friend),
                    ])
            }
        }

        @Test func `rules of several policies add up`() throws {
            try Cast.with(
                policyManifest(
                    "friends",
                    serverIngress
                        + """
                        ingress:
                        - from: [{podSelector: {matchLabels: {role: friend}}}]
                          ports: [{port: 80}]
                        """),
                policyManifest(
                    "guests",
                    serverIngress
                        + """
                        ingress:
                        - from: [{namespaceSelector: {matchLabels: {team: guests}}}]
                          ports: [{port: 81}]
                        """)
            ) { cast in
                try expect(
                    on: cast.node,
                    [
                        allowed(.tcp(80), cast.friend, cast.server), refused(.tcp(81), cast.friend, cast.server),
                        allowed(.tcp(81), cast.guest, cast.server), refused(.tcp(80), cast.guest, cast.server),
                    ])
            }
        }

        @Test func `ipBlock with except lets in hosts outside`() throws {
            let rule = """
                ingress:
                - from:
                  - ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.128/25]}
                  - ipBlock: {cidr: "2001:db8:1::/64", except: ["2001:db8:1::100/120", "2001:db8:1::200/120"]}
                """
            try Cast.with(policyManifest("blocks", serverIngress + rule)) { cast in
                func from(_ source: IPAddress, _ kind: Probe.Kind, isAllowed: Bool) -> Expectation {
                    let destination = source.isIPv4 ? cast.server.address4 : cast.server.address6
                    var probe = Probe(kind, from: cast.world, to: destination)
                    probe.from = source
                    return Expectation(probe: probe, isAllowed: isAllowed)
                }
                for kind in [Probe.Kind.tcp(80), .udp(53), .ping] {
                    try expect(
                        on: cast.node,
                        [
                            [World.others4[0], World.others6[0]].map { from($0, kind, isAllowed: true) },
                            [World.others4[1], World.others6[1]].map { from($0, kind, isAllowed: false) },
                            [World.address4, World.address6].map { from($0, kind, isAllowed: false) },
                            refused(kind, cast.friend, cast.server),
                        ])
                }
            }
        }

        @Test func `ipBlock with except means pods' addresses, too`() throws {
            try Cast.with(policyManifest("blocks", serverIngress)) { cast in
                let rule = """
                    ingress:
                    - from:
                      - ipBlock: {cidr: \(TestNode.range4), except: [\(cast.stranger.address4)/32]}
                      - ipBlock: {cidr: "\(TestNode.range6)", except: ["\(cast.guest.address6)/128"]}
                    """
                try cast.node.write(manifest: policyManifest("blocks", serverIngress + rule), "policy-0")
                try cast.node.waitUntil(
                    from: "default/friend", to: "\(cast.server.address4)", "80/tcp", isAllowed: true)
                let (toServer4, toServer6) = (cast.server.address4, cast.server.address6)
                try expect(
                    on: cast.node,
                    [
                        allowed(.tcp(80), cast.friend, cast.server),
                        refused(.tcp(80), from: cast.stranger.namespace, to: [toServer4]),
                        allowed(.tcp(80), from: cast.stranger.namespace, to: [toServer6]),
                        allowed(.tcp(80), from: cast.guest.namespace, to: [toServer4]),
                        refused(.tcp(80), from: cast.guest.namespace, to: [toServer6]),
                        refused(.tcp(80), from: cast.world, to: cast.server.addresses),
                    ])
            }
        }

        @Test func `egress rules limit whom a pod may call`() throws {
            let spec = """
                podSelector: {matchLabels: {role: friend}}
                policyTypes: [Egress]
                egress:
                - to: [{podSelector: {matchLabels: {app: server}}}]
                  ports: [{port: 80}, {port: 53, protocol: UDP}]
                - to: [{ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.128/25]}}]
                  ports: [{port: 443}]
                """
            try Cast.with(policyManifest("calls", spec)) { cast in
                try expect(
                    on: cast.node,
                    [
                        allowed(.tcp(80), cast.friend, cast.server), refused(.tcp(81), cast.friend, cast.server),
                        allowed(.udp(53), cast.friend, cast.server), refused(.ping, cast.friend, cast.server),
                        refused(.tcp(80), cast.friend, cast.stranger),
                        allowed(.tcp(443), from: cast.friend.namespace, to: [World.others4[0]]),
                        refused(.tcp(80), from: cast.friend.namespace, to: [World.others4[0]]),
                        refused(
                            .tcp(443), from: cast.friend.namespace,
                            to: [World.others4[1], World.address4, World.address6]),
                        // The node is no pod, and not let off.
                        refused(.tcp(80), from: cast.friend.namespace, to: [World.nodeAddress4, World.nodeAddress6]),
                        allowed(.tcp(80), from: cast.node.namespace, to: cast.server.addresses),
                        // Not selected: another namespace's pod, and other pods of this one.
                        allowed(.tcp(81), cast.guest, cast.server), allowed(.tcp(81), cast.stranger, cast.server),
                    ])
            }
        }

        @Test func `both ends have to agree`() throws {
            try Cast.with(
                policyManifest("ingress", serverIngress + "ingress: [{ports: [{port: 80}, {port: 81}]}]"),
                policyManifest(
                    "egress",
                    """
                    podSelector: {matchExpressions: [{key: role, operator: Exists}]}
                    policyTypes: [Egress]
                    egress: [{ports: [{port: 81}, {port: 8000}]}]
                    """)
            ) { cast in
                try expect(
                    on: cast.node,
                    [
                        refused(.tcp(80), cast.friend, cast.server), allowed(.tcp(81), cast.friend, cast.server),
                        refused(.tcp(8_000), cast.friend, cast.server), allowed(.tcp(80), cast.guest, cast.server),
                        refused(.tcp(8_000), cast.guest, cast.server),
                    ])
            }
        }

        @Test func `a refused packet is told with its place and its reason`() throws {
            try Cast.with(policyManifest("closed", serverIngress)) { cast in
                let monitor = try Monitor(cast.node)
                let event = try monitor.wait(
                    on: cast.node, for: "the drop",
                    provoking: {
                        _ = try Probe(.tcp(80), from: cast.friend, to: cast.server.address4)
                            .outcome(within: .milliseconds(20))
                    }, { $0.kind == .drop })
                #expect(event.direction == .ingress)
                #expect(event.source?.pod == "default/friend")
                #expect(event.destination?.pod == "default/server")
                #expect(event.destination?.address == cast.server.address4)
                #expect(event.destination?.port == 80)
                #expect(event.protocol == "TCP")
                #expect(event.reasonCode == DropReason.noRuleAllows.rawValue)
                let explained = try cast.node.client.explain(
                    from: "default/friend", to: "default/server", port: "80/tcp")
                #expect(!explained.allowed)
            }
        }
    }
}
