// SPDX-License-Identifier: Apache-2.0
import NetTypes
import TestSupport
import Testing

private func policy(_ kind: String, _ version: String, _ name: String, _ spec: String) -> String {
    """
    apiVersion: \(version)
    kind: \(kind)
    metadata: {name: \(name)\(kind == "SkeinNetworkPolicy" ? ", namespace: default" : "")}
    spec:
    \(spec.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))
    """
}

private func skein(_ name: String, _ spec: String) -> String {
    policy("SkeinNetworkPolicy", "skein.dev/v1", name, spec)
}

private func cluster(_ name: String, _ spec: String) -> String {
    policy("ClusterNetworkPolicy", "policy.networking.k8s.io/v1alpha2", name, spec)
}

extension NetnsTests {
    /// The kinds beside NetworkPolicy, between real sockets.
    @Suite struct SkeinPolicyTests {
        @Test func `endpoints of the policy's namespace, by port`() throws {
            let spec = """
                endpointSelector: {matchLabels: {app: server}}
                ingress:
                - fromEndpoints: [{matchLabels: {role: friend}}]
                  toPorts: [{ports: [{port: "80", protocol: TCP}]}]
                """
            try Cast.with(skein("friends", spec)) { cast in
                try expect(
                    on: cast.node,
                    [
                        allowed(.tcp(80), cast.friend, cast.server), refused(.tcp(81), cast.friend, cast.server),
                        refused(.tcp(80), cast.stranger, cast.server), refused(.tcp(80), cast.guest, cast.server),
                        allowed(.tcp(80), from: cast.node.namespace, to: cast.server.addresses),
                        refused(.tcp(80), from: cast.world, to: cast.server.addresses),
                    ])
            }
        }

        @Test func `a denial stands, whatever allows it`() throws {
            let allow = """
                endpointSelector: {matchLabels: {app: server}}
                ingress: [{fromEntities: [all]}]
                """
            let deny = """
                endpointSelector: {matchLabels: {app: server}}
                ingressDeny: [{fromEndpoints: [{matchLabels: {role: stranger}}]}]
                """
            let native = policyManifest("open", "podSelector: {}\npolicyTypes: [Ingress]\ningress: [{}]")
            try Cast.with(skein("allow", allow), skein("deny", deny), native) { cast in
                try expect(
                    on: cast.node,
                    [
                        allowed(.tcp(80), cast.friend, cast.server), refused(.tcp(80), cast.stranger, cast.server),
                        refused(.ping, cast.stranger, cast.server),
                        allowed(.tcp(80), from: cast.world, to: cast.server.addresses),
                    ])
            }
        }

        @Test func `the world is what is no pod`() throws {
            let spec = """
                endpointSelector: {matchLabels: {app: server}}
                egress: [{toEntities: [world]}]
                """
            try Cast.with(skein("outwards", spec)) { cast in
                let friendly = try EchoServer(in: cast.friend, tcp: [80])
                defer { friendly.stop() }
                try expect(
                    on: cast.node,
                    [
                        allowed(.tcp(80), from: cast.server.namespace, to: [World.address4, World.address6]),
                        refused(.tcp(80), cast.server, cast.friend), allowed(.tcp(80), cast.friend, cast.server),
                    ])
            }
        }

        @Test func `the cluster's tiers come before and behind`() throws {
            let admin = """
                tier: Admin
                priority: 1
                subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: server}}}}
                ingress:
                - {action: Deny, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {role: stranger}}}}]}
                - {action: Accept, from: [{namespaces: {matchLabels: {team: guests}}}]}
                """
            let closed = policyManifest("closed", "podSelector: {matchLabels: {app: server}}\npolicyTypes: [Ingress]")
            try Cast.with(cluster("admin", admin), closed) { cast in
                try expect(
                    on: cast.node,
                    [
                        allowed(.tcp(80), cast.guest, cast.server), refused(.tcp(80), cast.stranger, cast.server),
                        refused(.tcp(80), cast.friend, cast.server),
                    ])
            }
        }
    }
}
