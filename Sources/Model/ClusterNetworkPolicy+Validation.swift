// SPDX-License-Identifier: Apache-2.0

import NetTypes

extension ClusterNetworkPolicy {
    /// What the API server would refuse, with the path of each field; empty if the policy can be enforced as it is.
    package func validate() -> [FieldError] {
        var errors = FieldErrors()
        errors.add("metadata.name", value: name, Syntax.dnsSubdomainProblem(name))
        if case .unknown(let text) = tier { errors.add("spec.tier", "\"\(text)\" is neither Admin nor Baseline") }
        if !(0...1000).contains(priority) { errors.add("spec.priority", "\(priority) must be between 0 and 1000") }
        errors.addPods("spec.subject", subject)
        for (section, list, rules) in [("ingress", "from", ingress), ("egress", "to", egress)] {
            if rules.count > 25 { errors.add("spec.\(section)", "must have at most 25 rules") }
            for (index, rule) in rules.enumerated() { errors.addRule("spec.\(section)[\(index)]", list, rule) }
        }
        return errors.list
    }
}

extension FieldErrors {
    fileprivate mutating func addPods(_ path: String, _ pods: ClusterNetworkPolicy.Pods) {
        if let selector = pods.podSelector {
            addSelector("\(path).pods.namespaceSelector", pods.namespaceSelector)
            addSelector("\(path).pods.podSelector", selector)
        } else {
            addSelector("\(path).namespaces", pods.namespaceSelector)
        }
    }

    fileprivate mutating func addRule(_ path: String, _ list: String, _ rule: ClusterNetworkPolicy.Rule) {
        if let name = rule.name, name.count > 100 { add("\(path).name", "must have at most 100 characters") }
        if case .unknown(let text) = rule.action { add("\(path).action", "\"\(text)\" is none of Accept, Deny, Pass") }
        if !(1...25).contains(rule.peers.count) { add("\(path).\(list)", "must have 1 to 25 elements") }
        for (index, peer) in rule.peers.enumerated() {
            switch peer {
            case .pods(let pods): addPods("\(path).\(list)[\(index)]", pods)
            case .networks(let networks): addNetworks("\(path).\(list)[\(index)].networks", networks)
            case .unknown: break
            }
        }
        guard let protocols = rule.protocols else { return }
        if !(1...25).contains(protocols.count) { add("\(path).protocols", "must have 1 to 25 elements") }
        for (index, match) in protocols.enumerated() { addProtocol("\(path).protocols[\(index)]", match) }
    }

    private mutating func addNetworks(_ path: String, _ networks: [String]) {
        if !(1...25).contains(networks.count) { add(path, "must have 1 to 25 elements") }
        for (index, text) in networks.enumerated() where Prefix(text) == nil {
            add("\(path)[\(index)]", value: text, "is not a range like 10.0.0.0/8 or fd00::/8")
        }
    }

    private mutating func addProtocol(_ path: String, _ match: ClusterNetworkPolicy.ProtocolMatch) {
        switch match {
        case .named(let name): add("\(path).destinationNamedPort", value: name, Syntax.portNameProblem(name))
        case .ports(let name, let first, let last):
            let path = "\(path).\(name.lowercased()).destinationPort"
            guard let first else { return }
            guard let last else {
                return add("\(path).number", value: String(first), Syntax.portNumberProblem(first))
            }
            add("\(path).range.start", value: String(first), Syntax.portNumberProblem(first))
            add("\(path).range.end", value: String(last), Syntax.portNumberProblem(last))
            if first >= last { add("\(path).range.end", "\(last) must be greater than start \(first)") }
        }
    }
}
