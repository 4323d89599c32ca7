// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes

extension PolicyCompiler {
    /// True if the next commit with work on policies, or one with `collecting`, can join classes that nothing tells
    /// apart any more. What is left to do is bounded by what the last commits removed.
    package var hasGarbage: Bool { selectors.hasIdle }

    /// Takes in everything staged and returns the writes that follow from it.
    ///
    /// - Parameter collecting: give up selectors that no policy uses any more, even if no policy has changed. A commit
    ///   without it and without changes of policies writes for peers and endpoints only.
    package mutating func commit(collecting: Bool = false) -> Changeset {
        changes = Changeset()
        takeObjects()
        takeIdentities()
        takeEndpoints()
        choosePolicies()
        let newPolicies = policies.newPlaces()
        if collecting || !newPolicies.isEmpty || !policies.unusedPlaces().isEmpty { dropIdleSelectors() }
        matchFreshSelectors()
        settleIdentities()
        settleAddresses()
        settlePrefixes()
        partition.removeUnreferenced()

        addRows(of: newPolicies)
        removeRowsOfFreedClasses()
        removeUnusedPolicies()
        changes.classWords = partition.takeWords()
        writeViews()
        return finish()
    }

    private mutating func takeObjects() {
        for (reference, parts) in stagedObjects.sorted(by: { $0.key < $1.key }) {
            guard let (old, new) = objects.set(reference, parts) else { continue }
            for (number, record) in endpoints where record.endpoint.reserved == nil {
                let left = record.objects.filter { !old.contains($0) }
                let added = new.filter {
                    objects.records[$0]?.object.subject.matches(record.endpoint.labels) ?? false
                }
                guard !added.isEmpty || left.count < record.objects.count else { continue }
                // Revisions only grow, so the order stays.
                endpoints[number]?.objects = left + added
                touchedEndpoints.insert(number)
            }
        }
        stagedObjects = [:]
    }

    private mutating func takeIdentities() {
        var stale: Set<UInt32> = []
        for (number, labels) in stagedIdentities.sorted(by: { $0.key < $1.key }) {
            stale.formUnion(identities.decide(number, labels))
        }
        hold(stagedIdentities, moving: stale)
        stagedIdentities = [:]
        guard !stale.isEmpty else { return }
        let leaving = addresses.records.compactMap { address, record in
            record.peer.flatMap { stale.contains($0.identity) ? (address, $0) : nil }
        }
        for (address, peer) in leaving {
            let other = moved(peer)
            addresses.records[address]?.peer = other
            touchedAddresses.insert(address)
        }
        for (number, record) in endpoints where stale.contains(record.occupant.identity) {
            let other = moved(record.occupant)
            endpoints[number]?.occupant = other
            touchedEndpoints.insert(number)
            touchedAddresses.formUnion(record.endpoint.addresses)
        }
    }

    /// The same one under the identity that is now its own.
    private mutating func moved(_ occupant: AddressTable.Occupant) -> AddressTable.Occupant {
        var moved = occupant
        if let number = occupant.number {
            moved.identity = identities.retain(number: number)
        } else if let labels = identities[occupant.identity].labels {
            moved.identity = identities.retain(labels)
        } else {
            return occupant
        }
        identities.release(occupant.identity)
        return moved
    }

    private mutating func takeEndpoints() {
        for (number, endpoint) in stagedEndpoints.sorted(by: { $0.key < $1.key }) {
            let old = endpoints[number]
            if old?.endpoint == endpoint { continue }
            for address in old?.endpoint.addresses ?? [] where endpoint?.addresses.contains(address) != true {
                if addresses.records[address]?.endpoint == number { addresses.records[address]?.endpoint = 0 }
            }
            touchedAddresses.formUnion(old?.endpoint.addresses ?? [])
            if let endpoint {
                take(endpoint, replacing: old)
            } else {
                endpoints[number] = nil
                if let old, old.policy != .max { policies.release(old.policy) }
            }
            if let old { release(old.occupant) }
        }
        stagedEndpoints = [:]
    }

    private mutating func take(_ endpoint: PolicyEndpoint, replacing old: EndpointRecord?) {
        let peer = PolicyPeer.pod(endpoint.labels, namedPorts: endpoint.namedPorts)
        var occupant = retain(peer)
        if let reserved = endpoint.reserved {
            identities.release(occupant.identity)
            occupant.identity = reserved.rawValue
        }
        var record = EndpointRecord(endpoint: endpoint, occupant: occupant)
        record.objects = endpoint.reserved == nil ? objects.selecting(endpoint.labels) : []
        record.policy = old?.policy ?? .max
        record.view = old?.view
        endpoints[endpoint.number] = record
        touchedEndpoints.insert(endpoint.number)
        for address in endpoint.addresses {
            if addresses.records[address] == nil {
                addresses.insertAddress(address, AddressTable.Record())
            }
            addresses.records[address]?.endpoint = endpoint.number
            touchedAddresses.insert(address)
        }
    }

    private mutating func writeViews() {
        for number in touchedEndpoints.sorted() {
            guard let record = endpoints[number], let policy = policies[record.policy] else { continue }
            let view = EndpointView(
                policy: policy.number,
                enforceIngress: policy.ingress.isEnforced,
                enforceEgress: policy.egress.isEnforced,
                slot4: slot(of: record.endpoint, isIPv4: true),
                slot6: slot(of: record.endpoint, isIPv4: false),
                identity: identities[record.occupant.identity].number)
            guard view != record.view else { continue }
            endpoints[number]?.view = view
            changes.views.append((number, view))
        }
    }

    private func slot(of endpoint: PolicyEndpoint, isIPv4: Bool) -> UInt32 {
        endpoint.addresses.first { $0.isIPv4 == isIPv4 && addresses.records[$0]?.endpoint == endpoint.number }
            .flatMap { addresses.records[$0]?.slot } ?? 0
    }

    private mutating func finish() -> Changeset {
        for selector in partition.matchless() { selectors.removeVariant(selector) }
        identities.removeUnused()
        selectors.endCommit()
        partition.endCommit()
        policies.endCommit()
        cookies.endCommit()
        touchedEndpoints = []
        touchedAddresses = []
        touchedPrefixes = []
        touchedNumbers = []
        defer { changes = Changeset() }
        return changes
    }

    /// The caller gives it back with `release`.
    mutating func retain(_ peer: PolicyPeer) -> AddressTable.Occupant {
        switch peer {
        case .host, .kubeAPIServer(on: .host):
            let place = peer == .host ? ReservedIdentity.host.rawValue : IdentityTable.apiServerOnHost
            return AddressTable.Occupant(kind: .host, identity: place, ports: 0)
        case .remoteNode, .kubeAPIServer(on: .remoteNode):
            let identity = peer == .remoteNode ? ReservedIdentity.remoteNode : .kubeAPIServer
            return AddressTable.Occupant(kind: .remoteNode, identity: identity.rawValue, ports: 0)
        case .kubeAPIServer(on: .outside):
            return AddressTable.Occupant(kind: .pod, identity: IdentityTable.apiServerOutside, ports: 0)
        case .service:
            return AddressTable.Occupant(kind: .service, identity: ReservedIdentity.world.rawValue, ports: 0)
        case .pod(let labels, let namedPorts):
            return AddressTable.Occupant(
                kind: .pod, identity: identities.retain(labels), ports: portLists.retain(namedPorts))
        case .endpoint(let number, let namedPorts):
            return AddressTable.Occupant(
                kind: .pod, identity: identities.retain(number: number), ports: portLists.retain(namedPorts),
                number: number)
        }
    }

    mutating func release(_ occupant: AddressTable.Occupant) {
        identities.release(occupant.identity)
        portLists.release(occupant.ports)
    }
}
