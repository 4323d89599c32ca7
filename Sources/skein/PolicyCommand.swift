// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import ArgumentParser
import NetTypes
import TextLayout

struct PolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Policies, and why a connection is allowed or refused.",
        subcommands: [List.self, Explain.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Every policy object, rule by rule.")

        @OptionGroup var global: GlobalOptions

        func run() throws {
            try global.show(try global.ask { try $0.policies() }) { policies in
                var table = Table(
                    ["POLICY", "SELECTS", "ENDPOINTS", "RULE", "ACTION", "PEERS", "PORTS", "HITS"], numeric: [2, 7])
                for policy in policies {
                    let name = policy.namespace.isEmpty ? policy.name : "\(policy.namespace)/\(policy.name)"
                    var head = [name, policy.subject, "\(policy.endpoints.count)"]
                    let bare = policy.directions.filter { direction in
                        !policy.rules.contains { $0.direction == direction }
                    }
                    for direction in bare {
                        table.add(head + [direction.rawValue, "deny all"])
                        head = [" ", " ", " "]
                    }
                    for rule in policy.rules {
                        table.add(
                            head + [
                                "\(rule.direction.rawValue) \(rule.index)", rule.action, rule.peers, rule.ports,
                                "\(rule.hits)",
                            ])
                        head = [" ", " ", " "]
                    }
                }
                return table.text
            }
        }
    }

    struct Explain: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Which rule of which object allows or refuses a connection, without sending a packet.",
            discussion: "Example: skein policy explain shop/cart shop/db 5432/tcp")

        @OptionGroup var global: GlobalOptions
        @Argument(help: "Who begins: namespace/pod, an address, host or world.")
        var from: String
        @Argument(help: "Who is called: namespace/pod, an address, host or world.")
        var to: String
        @Argument(help: "Port and protocol: 80/tcp, 53/udp, 80 (tcp), or icmp.")
        var port: String

        func run() throws {
            let explanation = try global.ask { try $0.explain(from: from, to: to, port: port) }
            try global.show(explanation, table: Self.page)
        }

        static func page(_ explanation: Explanation) -> String {
            var lines = [explanation.summary, ""]
            if let problem = explanation.notInForce { lines = ["NOT IN FORCE: \(problem)"] + lines }
            for step in explanation.steps {
                lines.append("\(step.direction.rawValue) of \(step.pod): \(step.reason)")
                if !step.policies.isEmpty { lines.append("  selected by \(step.policies.joined(separator: ", "))") }
            }
            lines.append("from \(peer(explanation.from))")
            lines.append("to   \(peer(explanation.to))")
            return lines.joined(separator: "\n")
        }

        private static func peer(_ peer: ExplainedPeer) -> String {
            var line = peer.text
            if let address = peer.address, address.description != peer.text { line += " (\(address))" }
            line += ", identity \(peer.identity)"
            if let labels = peer.labels, !labels.isEmpty { line += ", " + Format.labels(labels) }
            return line
        }
    }
}
