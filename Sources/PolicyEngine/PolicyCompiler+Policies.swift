// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes

// Which policy an endpoint has, and what a policy is made of.
extension PolicyCompiler {
    mutating func choosePolicies() {
        for number in touchedEndpoints.sorted() {
            guard let record = endpoints[number] else { continue }
            let key = policyKey(of: record)
            let place = policies.place(of: key) ?? makePolicy(key)
            guard place != record.policy else { continue }
            policies.retain(place)
            if record.policy != .max { policies.release(record.policy) }
            endpoints[number]?.policy = place
        }
    }

    private func policyKey(of record: EndpointRecord) -> PolicyTable.Key {
        var names: Set<PortName> = []
        for revision in record.objects { names.formUnion(objects.records[revision]?.ingressPortNames ?? []) }
        let ports = names.flatMap { name in
            PortListTable.numbers(of: name, in: record.endpoint.namedPorts).map {
                PolicyTable.ResolvedPort(port: name, number: $0)
            }
        }
        return PolicyTable.Key(objects: record.objects, ports: ports.sorted())
    }

    private mutating func makePolicy(_ key: PolicyTable.Key) -> UInt32 {
        let list = objects.objects(key.objects)
        var holdings = Holdings()
        let ingress = plan(.ingress, list, ports: key.ports, &holdings)
        let egress = plan(.egress, list, ports: key.ports, &holdings)
        let record = PolicyTable.Record(
            key: key, number: policies.takeNumber(), ingress: ingress, egress: egress,
            selectors: holdings.selectors.values.sorted(), named: holdings.named.sorted(), cookies: holdings.cookies)
        let place = policies.insert(record)
        selectors.addUser(place, selectors: record.selectors, named: record.named)
        return place
    }

    /// What a policy in the making has taken from other tables.
    private struct Holdings {
        var selectors: [PeerSelector: UInt32] = [:]
        var named: Set<UInt32> = []
        var cookies: [UInt32] = []
    }

    private mutating func plan(
        _ direction: Direction, _ list: [PolicyObject], ports: [PolicyTable.ResolvedPort], _ holdings: inout Holdings
    ) -> PolicyPlan {
        let ranked = list.flatMap { $0.rules.filter { $0.direction == direction } }
            .filter { $0.tier != .networkPolicy || $0.action != .pass }
            .enumerated()
            .map { (rank: rank($0.element), offset: $0.offset, element: $0.element) }
            .sorted { ($0.rank.tier, $0.rank.order, $0.offset) < ($1.rank.tier, $1.rank.order, $1.offset) }
            .map(\.element)
        var rules: [RowBuilder.Rule] = []
        var general: Set<UInt32> = []
        var links: Set<PolicyPlan.Link> = []
        var namedLinks: Set<PolicyPlan.Link> = []
        for (index, rule) in ranked.enumerated() {
            let cookie = cookies.retain(rule.origin)
            holdings.cookies.append(cookie)
            let fixed = rule.ports.map { fixedPorts($0, direction, ports) }
            rules.append(RowBuilder.Rule(tier: rule.tier, action: rule.action, cookie: cookie, ports: fixed))
            var bases: [UInt32?] = [nil]
            if let peers = rule.peers {
                let held = peers.map { hold($0, &holdings) }
                links.formUnion(held.map { PolicyPlan.Link(selector: $0, rule: UInt32(index)) })
                bases = held
            } else {
                general.insert(UInt32(index))
            }
            guard direction == .egress else { continue }
            for case .named(let ipProtocol, let name) in rule.ports ?? [] {
                for base in bases {
                    let named = hold(base, PortName(protocol: ipProtocol, name: name), &holdings)
                    namedLinks.insert(PolicyPlan.Link(selector: named, rule: UInt32(index)))
                }
            }
        }
        return PolicyPlan(
            rules: rules, general: general, links: Array(links), namedLinks: Array(namedLinks),
            isolated: list.contains { $0.defaultDeny.contains(direction) })
    }

    /// Tier, then priority; in the networkPolicy tier Deny first, then rules for all ports, which make short rows.
    private func rank(_ rule: PolicyRule) -> (tier: Tier, order: Int) {
        guard rule.tier == .networkPolicy else { return (rule.tier, rule.priority) }
        return (rule.tier, rule.action == .deny ? 0 : rule.ports == nil ? 1 : 2)
    }

    /// The ranges, and what names are to the endpoint itself; what egress rules name is the peer's to say.
    private func fixedPorts(
        _ list: [PortSelector], _ direction: Direction, _ resolved: [PolicyTable.ResolvedPort]
    ) -> [RowBuilder.PortSet] {
        list.flatMap { selector -> [RowBuilder.PortSet] in
            switch selector {
            case .range(let ipProtocol, let ports):
                return [RowBuilder.PortSet(protocol: ipProtocol.rawValue, ports: ports)]
            case .named(let ipProtocol, let name):
                guard direction == .ingress else { return [] }
                return resolved.filter { $0.port == PortName(protocol: ipProtocol, name: name) }.map {
                    RowBuilder.PortSet(protocol: ipProtocol.rawValue, ports: PortRange($0.number))
                }
            }
        }
    }

    private mutating func hold(_ selector: PeerSelector, _ holdings: inout Holdings) -> UInt32 {
        if let id = holdings.selectors[selector] { return id }
        let (id, isNew) = selectors.retain(selector)
        if isNew { freshSelectors.append(id) }
        holdings.selectors[selector] = id
        return id
    }

    private mutating func hold(_ base: UInt32?, _ port: PortName, _ holdings: inout Holdings) -> UInt32 {
        let (id, isNew) = selectors.retainNamed(base: base, port)
        if isNew { freshNamed.append(id) }
        // One reference a policy.
        if !holdings.named.insert(id).inserted { selectors.releaseNamed(id) }
        return id
    }
}

// Rows.
extension PolicyCompiler {
    mutating func addRows(of newPolicies: [UInt32]) {
        for place in newPolicies {
            guard let number = policies[place]?.number else { continue }
            for direction in Direction.allCases {
                guard let row = policies[place]?.generalRow(direction) else { continue }
                changes.addedRows.append((PolicyRowKey(policy: number, classID: 0, direction: direction), row))
            }
            for classID in classes(of: place) {
                forEachRow(of: place, partition.classes[Int(classID)].signature.selectors, classID) {
                    $0.addedRows.append(($1, $2))
                }
            }
        }
        for classID in partition.newClasses() {
            let signature = partition.classes[Int(classID)].signature.selectors
            for place in users(of: signature) where policies[place]?.isNew == false {
                forEachRow(of: place, signature, classID) { $0.addedRows.append(($1, $2)) }
            }
        }
    }

    mutating func removeRowsOfFreedClasses() {
        for freed in partition.freedClasses {
            for place in users(of: freed.signature.selectors) where policies[place]?.isNew == false {
                forEachRow(of: place, freed.signature.selectors, freed.id) { changes, key, _ in
                    changes.removedRows.append(key)
                }
            }
        }
    }

    mutating func removeUnusedPolicies() {
        for place in policies.unusedPlaces() {
            guard let record = policies[place] else { continue }
            for direction in Direction.allCases where record.generalRow(direction) != nil {
                changes.removedRows.append(PolicyRowKey(policy: record.number, classID: 0, direction: direction))
            }
            for classID in classes(of: place) {
                let signature = partition.classes[Int(classID)].signature.selectors
                forEachRow(of: place, signature, classID) { changes, key, _ in changes.removedRows.append(key) }
            }
            selectors.removeUser(place, selectors: record.selectors, named: record.named)
            for id in record.selectors { selectors.release(id) }
            for id in record.named { selectors.releaseNamed(id) }
            for cookie in record.cookies { cookies.release(cookie) }
            policies.remove(place)
        }
    }

    /// Every class that may have a row of its own under the policy, sorted.
    func classes(of place: UInt32) -> [UInt32] {
        guard let record = policies[place] else { return [] }
        var found: [UInt32] = []
        for id in record.selectors { found += partition.classes(of: id) }
        for id in record.named {
            for variant in selectors.named[Int(id)].variants.values { found += partition.classes(of: variant) }
        }
        found.sortUnique()
        return found
    }

    private func users(of signature: [UInt32]) -> [UInt32] {
        var found: [UInt32] = []
        for selector in signature { found += selectors.users(of: selector) }
        found.sortUnique()
        return found
    }

    private mutating func forEachRow(
        of place: UInt32, _ signature: [UInt32], _ classID: UInt32,
        _ body: (inout Changeset, PolicyRowKey, PolicyRow) -> Void
    ) {
        guard let number = policies[place]?.number else { return }
        for direction in Direction.allCases {
            // Optional chaining flattens: nil where the class has the row of class 0.
            guard let row = policies[place]?.row(direction, signature, selectors.variants) else { continue }
            body(&changes, PolicyRowKey(policy: number, classID: classID, direction: direction), row)
        }
    }
}
