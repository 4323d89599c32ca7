// SPDX-License-Identifier: Apache-2.0
package import Model
package import NetTypes
package import PolicyEngine

/// What a cluster tells of its nodes, of other nodes' pods, of its API servers and services, and who has an address by
/// it.
package struct ClusterPeers: Sendable {
    package let ownName: String
    package private(set) var nodes: [String: ClusterNode] = [:]
    package private(set) var apiServers: Set<IPAddress> = []
    /// The Services that have an address; nothing keeps two from having the same.
    private var services: [IPAddress: Set<ObjectReference>] = [:]
    private var serviceAddresses: [ObjectReference: Set<IPAddress>] = [:]
    private var nodesByAddress: [IPAddress: Set<String>] = [:]
    private var claims = EndpointClaims()
    private var newNodes: [(name: String, node: ClusterNode?)] = []
    private var newSlices: [(name: String, slice: EndpointSlice?)] = []
    /// Who has these may be another since the last `takeTouched()`.
    private var touched: Set<IPAddress> = []

    /// - Parameter ownName: this node's; what it told itself in slices is not listened to.
    package init(ownName: String) {
        self.ownName = ownName
    }

    package var ownNode: ClusterNode? { nodes[ownName] }

    package mutating func setNode(_ name: String, _ node: ClusterNode?) {
        let old = nodes[name]
        guard old != node else { return }
        nodes[name] = node
        newNodes.append((name, node))
        let oldAddresses = Set(old?.addresses ?? [])
        let newAddresses = Set(node?.addresses ?? [])
        for address in oldAddresses.subtracting(newAddresses) {
            nodesByAddress[address]?.remove(name)
            if nodesByAddress[address]?.isEmpty ?? false { nodesByAddress[address] = nil }
        }
        for address in newAddresses { nodesByAddress[address, default: []].insert(name) }
        touched.formUnion(oldAddresses.symmetricDifference(newAddresses))
    }

    package mutating func setSlice(_ name: String, _ slice: EndpointSlice?) {
        newSlices.append((name, slice))
    }

    package mutating func setAPIServers(_ addresses: Set<IPAddress>) {
        touched.formUnion(apiServers.symmetricDifference(addresses))
        apiServers = addresses
    }

    package mutating func setService(_ service: ObjectReference, _ addresses: Set<IPAddress>?) {
        let old = serviceAddresses[service] ?? [], new = addresses ?? []
        serviceAddresses[service] = addresses
        for address in old.subtracting(new) {
            services[address]?.remove(service)
            if services[address]?.isEmpty ?? false { services[address] = nil }
        }
        for address in new { services[address, default: []].insert(service) }
        touched.formUnion(old.symmetricDifference(new))
    }

    /// Takes in what was set. The addresses to look at again.
    package mutating func takeTouched() -> Set<IPAddress> {
        if !newNodes.isEmpty || !newSlices.isEmpty {
            touched.formUnion(claims.take(nodes: newNodes, slices: newSlices))
            newNodes = []
            newSlices = []
        }
        defer { touched = [] }
        return touched
    }

    /// All that somebody has.
    package var addresses: Set<IPAddress> {
        Set(claims.believed).union(nodesByAddress.keys).union(apiServers).union(services.keys)
    }

    /// Who has an address that is not known to be this node's; endpoints of this node are left out.
    package func peer(at address: IPAddress) -> PolicyPeer? {
        if let nodes = nodesByAddress[address] {
            return nodes.contains(ownName) ? host(at: address) : server(at: address, .remoteNode) ?? .remoteNode
        }
        if let claim = claim(at: address) {
            return .endpoint(claim.endpoint.identity, namedPorts: claim.endpoint.namedPorts)
        }
        return server(at: address, .outside) ?? (services[address] == nil ? nil : .service)
    }

    /// The other node that has an address, or whose pod does.
    package func node(at address: IPAddress) -> String? {
        if let nodes = nodesByAddress[address] { return nodes.contains(ownName) ? nil : nodes.min() }
        return claim(at: address)?.node
    }

    /// All that a node has is to be looked at again: how it is reached has changed.
    package mutating func touch(node: String) {
        touched.formUnion(nodes[node]?.addresses ?? [])
        touched.formUnion(claims.believed(of: node))
    }

    /// This node itself, which has the address.
    package func host(at address: IPAddress) -> PolicyPeer { server(at: address, .host) ?? .host }

    private func server(at address: IPAddress, _ place: KubeAPIServerPlace) -> PolicyPeer? {
        apiServers.contains(address) ? .kubeAPIServer(on: place) : nil
    }

    /// The pod of another node that is believed to have the address, with the name of its node.
    package func claim(at address: IPAddress) -> EndpointClaims.Claim? {
        claims[address].flatMap { $0.node == ownName ? nil : $0 }
    }

    /// The pod of another node by its name, for people: looks through all.
    package func endpoint(of namespace: String, _ name: String) -> ClusterEndpoint? {
        for address in claims.believed.sorted() {
            guard let endpoint = claim(at: address)?.endpoint, endpoint.podName == name else { continue }
            if endpoint.namespace == namespace { return endpoint }
        }
        return nil
    }

    /// How many addresses pods of other nodes have.
    package var addressCount: Int { claims.believedCount - claims.believed(of: ownName).count }

    /// What slices claim without right, for people.
    package func problems(limit: Int) -> [EndpointClaims.Problem] { claims.problems(limit: limit) }
}
