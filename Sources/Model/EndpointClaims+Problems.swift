// SPDX-License-Identifier: Apache-2.0

package import NetTypes

extension EndpointClaims {
    /// A claim that is not believed, and why.
    package struct Problem: Hashable, Sendable {
        package enum Reason: Hashable, Sendable {
            case unknownNode
            case outsidePodRanges
            /// Of these nodes, in order.
            case inPodRanges(of: [String])
            /// Of these nodes, in order.
            case nodeAddress(of: [String])
            case identityNotOfPods(IdentityNumber)
            /// Another slice of the node has it too, and counts.
            case claimed(bySlice: String)
        }

        package let slice: String
        package let node: String
        package let address: IPAddress
        package let reason: Reason
    }

    /// The claims that are not believed, in the order of addresses, the first `limit` of them.
    package func problems(limit: Int = 100) -> [Problem] {
        var problems: [Problem] = []
        for address in disputed.sorted() where problems.count < limit {
            problems += self.problems(at: address).prefix(limit - problems.count)
        }
        return problems
    }

    /// How many addresses are claimed by somebody who is not believed.
    package var disputedCount: Int { disputed.count }

    private func problems(at address: IPAddress) -> [Problem] {
        let believed = winningOrigin(of: address)
        let origins = claimants[address]?.all ?? []
        let named = origins.compactMap { origin in slots[Int(origin.slice)].map { (origin, $0) } }
        return named.sorted { ($0.1.name, $0.0.endpoint) < ($1.1.name, $1.0.endpoint) }.compactMap { origin, slot in
            if origin == believed { return nil }
            let reason = reason(address, slot, Int(origin.endpoint), believed: believed)
            return Problem(slice: slot.name, node: slot.slice.node, address: address, reason: reason)
        }
    }

    private func reason(_ address: IPAddress, _ slot: Slot, _ endpoint: Int, believed: Origin?) -> Problem.Reason {
        let node = slot.slice.node
        guard nodes[node] != nil else { return .unknownNode }
        if let owners = nodeAddresses[address] { return .nodeAddress(of: owners.sorted()) }
        let owners = rangeOwners(of: address)
        guard owners.contains(node) else { return .outsidePodRanges }
        if owners.count > 1 { return .inPodRanges(of: owners.sorted()) }
        let identity = slot.slice.endpoints[endpoint].identity
        guard Self.isOfPods(identity) else { return .identityNotOfPods(identity) }
        return .claimed(bySlice: believed.flatMap { slots[Int($0.slice)]?.name } ?? slot.name)
    }
}

extension EndpointClaims.Problem: CustomStringConvertible {
    /// `SkeinEndpointSlice node-2-0: 10.0.1.7 is not in the pod ranges of node node-2`
    package var description: String {
        let why =
            switch reason {
            case .unknownNode: "is claimed for node \(node), which there is not"
            case .outsidePodRanges: "is not in the pod ranges of node \(node)"
            case .inPodRanges(let owners): "is in the pod ranges of several nodes: \(owners.joined(separator: ", "))"
            case .nodeAddress(let owners): "is an address of node \(owners.joined(separator: ", "))"
            case .identityNotOfPods(let number): "has identity \(number), which no pod can have"
            case .claimed(let other): "is in \(other) too, and that counts"
            }
        return "SkeinEndpointSlice \(slice): \(address) \(why)"
    }
}
