// SPDX-License-Identifier: Apache-2.0

import NetTypes

extension SkeinNetworkPolicy {
    /// Why the policy can't be enforced as it is, with the path of each field; empty if it can. A policy with an error
    /// must not be enforced in part.
    package func validate() -> [FieldError] {
        var errors = FieldErrors()
        errors.add("metadata.name", value: name, Syntax.dnsSubdomainProblem(name))
        if let namespace { errors.add("metadata.namespace", value: namespace, Syntax.dnsLabelProblem(namespace)) }
        if allSpecs.isEmpty { errors.add("spec", "a policy must have a spec, or specs with at least one element") }
        for (path, spec) in allSpecs { errors.addSpec(path, spec, namespace: namespace) }
        return errors.list
    }
}

extension FieldErrors {
    fileprivate mutating func addSpec(_ path: String, _ spec: SkeinNetworkPolicy.Spec, namespace: String?) {
        addSubject("\(path).endpointSelector", spec.endpointSelector, namespace: namespace)
        if spec.ingress == nil, spec.ingressDeny == nil, spec.egress == nil, spec.egressDeny == nil,
            spec.enableDefaultDeny == SkeinNetworkPolicy.DefaultDeny()
        {
            add(path, "must have at least one of ingress, ingressDeny, egress, egressDeny")
        }
        for (name, rules, direction, denies) in [
            ("ingress", spec.ingress, "from", false), ("ingressDeny", spec.ingressDeny, "from", true),
            ("egress", spec.egress, "to", false), ("egressDeny", spec.egressDeny, "to", true),
        ] {
            for (index, rule) in (rules ?? []).enumerated() {
                addRule("\(path).\(name)[\(index)]", rule, direction, denies: denies)
            }
        }
    }

    private mutating func addSubject(_ path: String, _ selector: LabelSelector, namespace: String?) {
        switch SkeinNetworkPolicy.resolve(selector, at: path, &self) {
        case .entity: add(path, "a policy can't hold for reserved labels yet")
        case .pods(_, let namespaces?):
            // Quietly holding for another namespace than it says would be worse than not holding.
            guard let namespace, let named = namespaces.matchLabels[Namespace.nameLabel], named != namespace else {
                break
            }
            add(path, "a policy holds for pods of its own namespace \(namespace), not of \(named)")
        case .pods(_, nil), nil: break
        }
    }

    private mutating func addRule(
        _ path: String, _ rule: SkeinNetworkPolicy.Rule, _ direction: String, denies: Bool
    ) {
        for (index, selector) in (rule.endpoints ?? []).enumerated() {
            _ = SkeinNetworkPolicy.resolve(selector, at: "\(path).\(direction)Endpoints[\(index)]", &self)
        }
        for (index, text) in (rule.cidrs ?? []).enumerated() where Prefix(cidr: text) == nil {
            add("\(path).\(direction)CIDR[\(index)]", "\"\(text)\" is no address and no range like 10.0.0.0/8")
        }
        for (index, set) in (rule.cidrSets ?? []).enumerated() { addSet("\(path).\(direction)CIDRSet[\(index)]", set) }
        for (index, text) in (rule.entities ?? []).enumerated() {
            guard SkeinNetworkPolicy.Entity(rawValue: text) == nil else { continue }
            let known = SkeinNetworkPolicy.Entity.allCases.map(\.rawValue).joined(separator: ", ")
            add("\(path).\(direction)Entities[\(index)]", "\"\(text)\" is none of \(known)")
        }
        let kinds = [
            ("Endpoints", rule.endpoints?.count), ("CIDR", rule.cidrs?.count), ("CIDRSet", rule.cidrSets?.count),
            ("Entities", rule.entities?.count),
        ].filter { $0.1 ?? 0 > 0 }.map { direction + $0.0 }
        if kinds.count > 1 {
            add(path, "can't have \(kinds.joined(separator: " and ")) at once: write a rule for each")
        }
        for (index, ports) in (rule.toPorts ?? []).enumerated() { addPorts("\(path).toPorts[\(index)]", ports) }
        for (index, fields) in (rule.icmps ?? []).enumerated() {
            addFields("\(path).icmps[\(index)]", fields, denies: denies)
        }
        if rule.toPorts?.isEmpty == false, rule.icmps?.isEmpty == false {
            add("\(path).icmps", "can't be together with toPorts: write a rule for each")
        }
    }

    private mutating func addSet(_ path: String, _ set: SkeinNetworkPolicy.CIDRSet) {
        let cidr = Prefix(set.cidr)
        if cidr == nil { add("\(path).cidr", value: set.cidr, "is not a range like 10.0.0.0/8 or fd00::/8") }
        for (index, text) in set.except.enumerated() {
            guard let except = Prefix(text) else {
                add("\(path).except[\(index)]", value: text, "is not a range like 10.1.0.0/16 or fd00:1::/32")
                continue
            }
            if let cidr, !cidr.contains(except) {
                add("\(path).except[\(index)]", value: text, "must be a part of \(set.cidr)")
            }
        }
    }

    private mutating func addPorts(_ path: String, _ ports: [SkeinNetworkPolicy.Port]?) {
        guard let ports, !ports.isEmpty else {
            return add("\(path).ports", "must have at least one port: for all of them, leave toPorts out")
        }
        if ports.count > 40 { add("\(path).ports", "must have at most 40 elements") }
        for (index, port) in ports.enumerated() { addPort("\(path).ports[\(index)]", port) }
    }

    private mutating func addPort(_ path: String, _ port: SkeinNetworkPolicy.Port) {
        if port.protocols == nil {
            let name = port.protocolName ?? ""
            let hint = name.uppercased().hasPrefix("ICMP") ? " (write it under icmps)" : ""
            add("\(path).protocol", "\"\(name)\" is none of TCP, UDP, SCTP, ANY\(hint)")
        }
        let endPort = port.endPort ?? 0
        switch port.reference {
        case nil: add("\(path).port", "\"\(port.port)\" is neither a number from 0 to 65535 nor a port's name")
        case .name: if endPort != 0 { add("\(path).endPort", "must not be given with a port that is a name") }
        case .number(let number):
            guard endPort != 0 else { break }
            add("\(path).endPort", value: String(endPort), Syntax.portNumberProblem(endPort))
            if number == 0 { add("\(path).endPort", "must not be given with port 0, which is all of them") }
            if endPort < number { add("\(path).endPort", "\(endPort) must not be less than port \(number)") }
        }
    }

    private mutating func addFields(_ path: String, _ fields: [SkeinNetworkPolicy.ICMPField]?, denies: Bool) {
        guard let fields, !fields.isEmpty else {
            return add("\(path).fields", "must have at least one type: for all of them, leave icmps out")
        }
        if fields.count > 40 { add("\(path).fields", "must have at most 40 elements") }
        for (index, field) in fields.enumerated() {
            let path = "\(path).fields[\(index)]"
            if field.ipProtocol == nil {
                add("\(path).family", "\"\(field.family ?? "")\" is neither IPv4 nor IPv6")
                continue
            }
            switch (field.role, denies) {
            case (nil, _): add("\(path).type", "\"\(field.type)\" is neither a number from 0 to 255 nor a type's name")
            case (.other?, false):
                add("\(path).type", "\(field.type) can't be allowed yet: echo and errors are all the ICMP that passes")
            case (.partOfFlow?, true):
                add("\(path).type", "\(field.type) can't be denied alone: it passes or not with the flow it belongs to")
            case (.echoRequest?, _), (.partOfFlow?, false), (.other?, true): break
            }
        }
    }
}

extension Prefix {
    /// Of a range, or of one address; nil for a text that is neither.
    package init?(cidr text: String) {
        if let prefix = Prefix(text) {
            self = prefix
        } else if let address = IPAddress(text) {
            self.init(host: address)
        } else {
            return nil
        }
    }
}
