// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import PolicyEngine
import Testing

@Suite struct ExplainTests {
    private static func labels(_ app: String) -> SecurityLabels {
        SecurityLabels(namespace: "default", nil, podLabels: ["app": app])
    }

    private static func address(_ number: UInt32) -> IPAddress { IPAddress(v4: 0x0a00_0000 + number) }

    private static func compiler() -> PolicyCompiler {
        var compiler = PolicyCompiler()
        for (number, app) in [(UInt16(1), "web"), (2, "db"), (3, "tool")] {
            let ports = [NamedPort(name: "sql", protocol: .tcp, port: 5432)]
            compiler.stage(
                PolicyEndpoint(
                    number: number, addresses: [address(UInt32(number))], labels: labels(app),
                    namedPorts: app == "db" ? ports : []))
        }
        compiler.stage(.host, at: address(100))
        let web = LabelSelector(matchLabels: ["app": "web"])
        compiler.stage(
            PolicyObject(
                NetworkPolicy(
                    namespace: "default", name: "db", podSelector: LabelSelector(matchLabels: ["app": "db"]),
                    ingress: [.init(from: [.init(podSelector: web)], ports: [.init(port: .name("sql"))])])))
        compiler.stage(
            PolicyObject(
                NetworkPolicy(
                    namespace: "default", name: "quiet", podSelector: LabelSelector(matchLabels: ["app": "tool"]),
                    policyTypes: [.egress],
                    egress: [.init(to: [.init(ipBlock: .init(cidr: "0.0.0.0/0", except: ["10.0.0.0/8"]))])])))
        _ = compiler.commit()
        return compiler
    }

    private func text(_ from: PolicyParty, _ to: PolicyParty, port: UInt16 = 5432) -> String {
        Self.compiler().explain(from: from, to: to, protocol: .tcp, port: port).description
    }

    private func pod(_ number: UInt32) -> PolicyParty { Self.compiler().party(at: Self.address(number)) }

    @Test func `allowed by a rule, and nobody asked at the other end`() {
        #expect(
            text(pod(1), pod(2)) == """
                egress of 10.0.0.1: allowed: no policy selects it for egress
                ingress of 10.0.0.2: allowed by NetworkPolicy default/db ingress rule 1
                => allowed
                """)
    }

    @Test func `refused because isolated`() {
        #expect(
            text(pod(1), pod(2), port: 80) == """
                egress of 10.0.0.1: allowed: no policy selects it for egress
                ingress of 10.0.0.2: refused: isolated by NetworkPolicy default/db, and no rule matches
                => refused
                """)
        #expect(
            text(pod(3), pod(1)) == """
                egress of 10.0.0.3: refused: isolated by NetworkPolicy default/quiet, and no rule matches
                ingress of 10.0.0.1: allowed: no policy selects it for ingress
                => refused
                """)
    }

    @Test func `the world, the host and named parties`() {
        #expect(text(pod(3), .world).contains("egress of 10.0.0.3: allowed by NetworkPolicy default/quiet"))
        #expect(text(.world, pod(2)).hasSuffix("=> refused"))
        #expect(text(.host, pod(2)).contains("ingress of 10.0.0.2: allowed: the node itself"))
        #expect(text(pod(3), Self.compiler().party(at: Self.address(100))).hasSuffix("=> refused"))
        let party = PolicyParty(name: "default/web", address: Self.address(9), labels: Self.labels("web"))
        #expect(text(party, pod(2)).hasPrefix("egress of default/web: allowed"))
    }

    @Test func `identities are listed with their addresses`() {
        #expect(Self.compiler().identityList.map(\.addresses) == [1, 1, 1])
    }
}
