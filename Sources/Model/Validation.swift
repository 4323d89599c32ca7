// SPDX-License-Identifier: Apache-2.0

import NetTypes

extension NetworkPolicy {
    /// What the API server would refuse, with the path of each field; empty if the policy can be enforced as it is.
    package func validate() -> [FieldError] {
        var errors = FieldErrors()
        errors.add("metadata.name", value: name, Syntax.dnsSubdomainProblem(name))
        errors.add("metadata.namespace", value: namespace, Syntax.dnsLabelProblem(namespace))
        errors.addSelector("spec.podSelector", podSelector)
        errors.addPolicyTypes("spec.policyTypes", policyTypes ?? [])
        for (index, rule) in (ingress ?? []).enumerated() {
            errors.addRule("spec.ingress[\(index)]", peersField: "from", rule.from, rule.ports)
        }
        for (index, rule) in (egress ?? []).enumerated() {
            errors.addRule("spec.egress[\(index)]", peersField: "to", rule.to, rule.ports)
        }
        return errors.list
    }
}

extension Namespace {
    /// What the API server would refuse.
    package func validate() -> [FieldError] {
        var errors = FieldErrors()
        errors.add("metadata.name", value: name, Syntax.dnsLabelProblem(name))
        errors.addLabels("metadata.labels", labels)
        return errors.list
    }
}

extension Pod {
    /// What the API server would refuse of what is kept here; `spec.ports` stands for the ports of all containers.
    package func validate() -> [FieldError] {
        var errors = FieldErrors()
        errors.add("metadata.name", value: name, Syntax.dnsSubdomainProblem(name))
        errors.add("metadata.namespace", value: namespace, Syntax.dnsLabelProblem(namespace))
        errors.addLabels("metadata.labels", labels)
        for (index, port) in namedPorts.enumerated() {
            errors.add("spec.ports[\(index)].name", value: port.name, Syntax.portNameProblem(port.name))
            if port.port == 0 { errors.add("spec.ports[\(index)].containerPort", "0 must be between 1 and 65535") }
        }
        return errors.list
    }
}

extension FieldErrors {
    fileprivate mutating func addPolicyTypes(_ path: String, _ types: [NetworkPolicy.PolicyType]) {
        if types.count > 2 { add(path, "must have at most two elements") }
        for (index, type) in types.enumerated() {
            if case .unknown(let text) = type { add("\(path)[\(index)]", "\"\(text)\" is neither Ingress nor Egress") }
        }
    }

    fileprivate mutating func addRule(
        _ path: String, peersField: String, _ peers: [NetworkPolicy.Peer]?, _ ports: [NetworkPolicy.Port]?
    ) {
        for (index, peer) in (peers ?? []).enumerated() { addPeer("\(path).\(peersField)[\(index)]", peer) }
        for (index, port) in (ports ?? []).enumerated() { addPort("\(path).ports[\(index)]", port) }
    }

    private mutating func addPeer(_ path: String, _ peer: NetworkPolicy.Peer) {
        if let selector = peer.podSelector { addSelector("\(path).podSelector", selector) }
        if let selector = peer.namespaceSelector { addSelector("\(path).namespaceSelector", selector) }
        if let block = peer.ipBlock { addBlock("\(path).ipBlock", block) }
        switch (peer.podSelector != nil || peer.namespaceSelector != nil, peer.ipBlock != nil) {
        case (false, false): add(path, "must have a podSelector, a namespaceSelector or an ipBlock")
        case (true, true): add(path, "must not have an ipBlock and a selector at once")
        default: break
        }
    }

    private mutating func addBlock(_ path: String, _ block: NetworkPolicy.IPBlock) {
        let cidr = Prefix(block.cidr)
        if cidr == nil { add("\(path).cidr", value: block.cidr, "is not a range like 10.0.0.0/8 or fd00::/8") }
        for (index, text) in block.except.enumerated() {
            guard let except = Prefix(text) else {
                add("\(path).except[\(index)]", value: text, "is not a range like 10.1.0.0/16 or fd00:1::/32")
                continue
            }
            if let cidr, !cidr.contains(except) || cidr == except {
                add("\(path).except[\(index)]", value: text, "must be a part of \(block.cidr), and smaller")
            }
        }
    }

    private mutating func addPort(_ path: String, _ port: NetworkPolicy.Port) {
        if port.ipProtocol == nil, let name = port.protocolName {
            add("\(path).protocol", value: name, "is none of TCP, UDP, SCTP")
        }
        switch port.port {
        case .number(let number): add("\(path).port", value: String(number), Syntax.portNumberProblem(number))
        case .name(let name): add("\(path).port", value: name, Syntax.portNameProblem(name))
        case nil: break
        }
        guard let endPort = port.endPort else { return }
        add("\(path).endPort", value: String(endPort), Syntax.portNumberProblem(endPort))
        switch port.port {
        case .number(let number):
            if endPort < number { add("\(path).endPort", "\(endPort) must not be less than port \(number)") }
        case .name: add("\(path).endPort", "must not be given with a port that is a name")
        case nil: add("\(path).endPort", "must not be given without a port")
        }
    }
}
