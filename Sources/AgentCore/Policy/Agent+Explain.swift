// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Model
import NetTypes
import PolicyEngine

extension Agent {
    /// Says which rule of which object would allow or refuse a connection, from the rules themselves.
    ///
    /// - Parameters:
    ///   - source: "namespace/name" of a pod, an address, "host" or "world"; `destination` likewise.
    ///   - port: "80/tcp", "80", "http/tcp" (a port's name at the destination), "icmp" or "8/icmp" (a type).
    /// - Throws: `APIError`, when one of them is not understood or not known.
    package func explain(from source: String, to destination: String, port: String) throws -> ExplanationReply {
        let family = IPAddress(source)?.isIPv4 ?? IPAddress(destination)?.isIPv4
        let from = try policy.party(source, ipv4: family)
        let to = try policy.party(destination, ipv4: family)
        let (number, value) = try PortQuestion.parse(port, destination: to)
        let answer = policy.compiler.explain(from: from, to: to, protocol: number, port: value)
        let steps = [answer.egress, answer.ingress].compactMap { part in
            // "ingress of default/web: allowed by ..." without its beginning, which the step has by itself.
            let words = "\(part)".dropFirst("\(part.direction) of \(part.subject): ".count)
            return step(part.reason, part.direction, allowed: part.isAllowed, pod: part.subject, words: String(words))
        }
        let what = number.hasPorts ? "\(value)/\(number.name)" : number.name
        let refusal = steps.first { !$0.allowed }
        let verdict = refusal.map { "\($0.reason) (\($0.direction.rawValue) of \($0.pod))" } ?? "allowed"
        return ExplanationReply(
            allowed: answer.isAllowed,
            summary: "\(what) from \(from.name) to \(to.name) is \(verdict)",
            from: policy.explained(from), to: policy.explained(to), protocol: number.name,
            port: number.hasPorts ? value : nil, steps: steps,
            notInForce: conditions[.policy])
    }

    /// nil for an end that is no pod: no policy is asked there.
    private func step(
        _ reason: PolicyReason, _ direction: Direction, allowed: Bool, pod: String, words: String
    ) -> ExplainedStep? {
        var step = ExplainedStep(
            direction: PolicyDirection(direction), pod: pod, allowed: allowed, enforced: true, reason: words)
        switch reason {
        case .noPod: return nil
        case .rule(let origin, _): step.rule = origin.description
        case .isolated(let objects): step.policies = objects.map(\.description)
        case .noRule, .noPolicy, .nodeItself: step.enforced = false
        }
        return step
    }
}

extension PolicyController {
    /// Who is meant. `ipv4` says which of a pod's addresses counts, if that is known.
    func party(_ text: String, ipv4: Bool?) throws(APIError) -> PolicyParty {
        switch text {
        case ReservedIdentity.host.name: return .host
        case ReservedIdentity.world.name: return .world
        default: break
        }
        if let address = IPAddress(text) {
            var party = compiler.party(at: address)
            party.name = podName(at: address) ?? text
            return party
        }
        let matching = endpoints.values.filter { $0.podText == text }.min { $0.number < $1.number }
        if let record = matching {
            return PolicyParty(
                name: text, address: Self.choose(record.addresses, ipv4), labels: securityLabels(of: record),
                namedPorts: pods[text]?.namedPorts ?? [])
        }
        guard let pod = pods[text] else {
            if let remote = remoteParty(text, ipv4: ipv4) { return remote }
            throw APIError(
                code: APIError.Code.notFound,
                message: "\"\(text)\" is no pod that this node knows, nor an address, \"host\" or \"world\"")
        }
        if pod.hostNetwork { return PolicyParty(name: text, entities: .host) }
        return PolicyParty(
            name: text, address: Self.choose(pod.addresses, ipv4), labels: securityLabels(of: pod),
            namedPorts: pod.namedPorts)
    }

    /// A pod of another node of the cluster.
    private func remoteParty(_ text: String, ipv4: Bool?) -> PolicyParty? {
        let parts = text.split(separator: "/", maxSplits: 1)
        guard parts.count == 2, let endpoint = peers.endpoint(of: String(parts[0]), String(parts[1])),
            let address = Self.choose(endpoint.addresses, ipv4)
        else { return nil }
        var party = compiler.party(at: address)
        party.name = text
        return party
    }

    private static func choose(_ addresses: [IPAddress], _ ipv4: Bool?) -> IPAddress? {
        addresses.first { $0.isIPv4 == (ipv4 ?? true) } ?? addresses.first
    }

    func explained(_ party: PolicyParty) -> ExplainedPeer {
        var peer = ExplainedPeer(text: party.name, address: party.address, identity: 0)
        if let labels = party.labels {
            peer.identity = identity(of: labels) ?? 0
            peer.labels = Dictionary(labels.podLabels)
            peer.endpoint = party.address.flatMap { endpoint(at: $0)?.number }
        } else if party.isHost {
            peer.identity = ReservedIdentity.host.rawValue
        } else if party.entities.contains(.kubeAPIServer) {
            peer.identity = ReservedIdentity.kubeAPIServer.rawValue
        } else if party.entities.contains(.remoteNode) {
            peer.identity = ReservedIdentity.remoteNode.rawValue
        } else {
            let world = party.address.map { $0.isIPv4 ? ReservedIdentity.worldIPv4 : .worldIPv6 } ?? .world
            peer.identity = world.rawValue
        }
        return peer
    }
}

/// What a connection asks for, as a person writes it.
enum PortQuestion {
    /// "80/tcp", "80", "http/udp", "icmp", "8/icmp". The value is a port, or a type of ICMP (echo request if not given).
    static func parse(_ text: String, destination: PolicyParty) throws(APIError) -> (IPProtocol, UInt16) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 1, let number = IPProtocol(name: parts[0]), !number.hasPorts {
            return (number, number == .icmpv6 ? 128 : 8)
        }
        guard parts.count <= 2, let first = parts.first, !first.isEmpty else { throw wrong(text) }
        guard let number = parts.count == 2 ? IPProtocol(name: parts[1]) : .tcp else { throw wrong(text) }
        if let value = UInt16(first), value > 0 || !number.hasPorts { return (number, value) }
        let named = destination.namedPorts.first { $0.name == first && $0.protocol == number }
        if let named { return (number, named.port) }
        let isName = first.contains(where: \.isLetter) && first.allSatisfy { $0.isLetter || $0.isNumber || $0 == "-" }
        guard isName, number.hasPorts else { throw wrong(text) }
        throw APIError(
            code: APIError.Code.notFound, message: "\(destination.name) has no port named \"\(first)\" (\(number.name))"
        )
    }

    private static func wrong(_ text: String) -> APIError {
        APIError(
            code: APIError.Code.badRequest,
            message: "\"\(text)\" is no port: write 80/tcp, 53/udp, 80 (tcp), http/tcp (a port's name), icmp or 8/icmp")
    }
}
