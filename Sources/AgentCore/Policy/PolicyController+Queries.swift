// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
package import Model
package import NetTypes
package import PolicyEngine

extension PolicyController {
    /// "namespace/name" of whoever has an address, where it is a pod.
    package func podName(at address: IPAddress) -> String? {
        if let endpoint = endpoint(at: address) { return endpoint.podText }
        return remotePodName(at: address)
    }

    /// The policy objects that select an endpoint, in the order of their names.
    package func policies(selecting record: EndpointRecord) -> [ObjectReference] {
        let labels = securityLabels(of: record)
        return policies.filter { $0.value.contains { $0.subject.matches(labels) } }.keys.sorted()
    }

    /// The cookies of all rules that are in the kernel's tables.
    package func cookies() -> [RuleOrigin: UInt32] {
        var cookies: [RuleOrigin: UInt32] = [:]
        let count = compiler.statistics.cookies
        // They are dense, so that this ends about where the last one is.
        for cookie in 1...UInt32(UInt16.max) where cookies.count < count {
            if let origin = compiler.origin(of: cookie) { cookies[origin] = cookie }
        }
        return cookies
    }

    /// Pods here and elsewhere by their labels, and the reserved identities, in the order of the numbers.
    package func identities() -> [IdentityInfo] {
        var local: [IdentityNumber: [UInt16]] = [:]
        for number in endpoints.keys.sorted() {
            if let view = view(of: number) { local[view.identity, default: []].append(number) }
        }
        var reserved = [ReservedIdentity.host, .worldIPv4, .worldIPv6].map { identity in
            IdentityInfo(
                number: identity.rawValue, name: identity.name, addresses: identity == .host ? nodeAddresses.count : 0)
        }
        if cluster != nil {
            let others = peers.nodes.values.reduce(0) { $0 + ($1.name == peers.ownName ? 0 : $1.addresses.count) }
            for (identity, count) in [(ReservedIdentity.remoteNode, others), (.kubeAPIServer, peers.apiServers.count)] {
                reserved.append(IdentityInfo(number: identity.rawValue, name: identity.name, addresses: count))
            }
            reserved.sort { $0.number < $1.number }
        }
        return reserved
            + compiler.identityList.map { number, labels, addresses in
                let local = local[number] ?? []
                let localAddresses = local.reduce(0) { $0 + (endpoints[$1]?.addresses.count ?? 0) }
                return IdentityInfo(
                    number: number, namespace: labels.namespace, namespaceLabels: Dictionary(labels.namespaceLabels),
                    podLabels: Dictionary(labels.podLabels), addresses: max(addresses, localAddresses), endpoints: local
                )
            }
    }

    /// The number of an identity that some known pod has.
    func identity(of labels: SecurityLabels) -> IdentityNumber? {
        knownIdentities.number(of: labels) ?? compiler.identityList.first { $0.labels == labels }?.number
    }
}
