// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Model
import NetTypes
import PolicyEngine

/// Policies in words, for people.
enum PolicyText {
    /// "pods app=db in shop", "all pods in shop".
    static func subject(_ subject: PodSelector) -> String { pods(subject) }

    /// "pods app=web in shop, 10.0.0.0/8 except 10.1.0.0/16"; "anyone" for a rule without peers, "nobody" for an empty
    /// list.
    static func peers(_ peers: [PeerSelector]?) -> String {
        guard let peers else { return "anyone" }
        if peers.isEmpty { return "nobody" }
        return peers.map(peer).joined(separator: ", ")
    }

    /// "80/TCP, 8000-8080/TCP"; "all ports" for a rule without ports, "none" for an empty list.
    static func ports(_ ports: [PortSelector]?) -> String {
        guard let ports else { return "all ports" }
        if ports.isEmpty { return "none" }
        return ports.map(port).joined(separator: ", ")
    }

    static func action(_ action: RuleAction) -> String {
        switch action {
        case .allow: "allow"
        case .deny: "deny"
        case .pass: "pass"
        }
    }

    static func tier(_ tier: Tier) -> String {
        switch tier {
        case .admin: "admin"
        case .networkPolicy: "networkPolicy"
        case .baseline: "baseline"
        }
    }

    private static func peer(_ peer: PeerSelector) -> String {
        switch peer {
        case .pods(let selector): pods(selector)
        case .addresses(let block): addresses(block)
        case .outside(let block): "\(addresses(block)) outside the cluster"
        case .entities(let entities): entities.list.joined(separator: ", ")
        }
    }

    private static func pods(_ selector: PodSelector) -> String {
        let who = selector.pods.isEmpty ? "all pods" : "pods \(selector.pods)"
        switch selector.namespaces {
        case .named(let name): return "\(who) in \(name)"
        case .matching(let namespaces):
            return namespaces.isEmpty ? "\(who) in any namespace" : "\(who) in namespaces \(namespaces)"
        }
    }

    private static func addresses(_ block: AddressBlock) -> String {
        guard !block.except.isEmpty else { return block.prefix.description }
        return "\(block.prefix) except " + block.except.map(\.description).joined(separator: ", ")
    }

    private static func port(_ port: PortSelector) -> String {
        switch port {
        case .range(let number, let range):
            if range.isAll { return "all \(number.name)" }
            return number.hasPorts ? "\(range)/\(number.name)" : "\(number.name) type \(range)"
        case .named(let number, let name): return "\(name)/\(number.name)"
        }
    }
}

extension PolicyDirection {
    init(_ direction: Direction) {
        self = direction == .ingress ? .ingress : .egress
    }
}
