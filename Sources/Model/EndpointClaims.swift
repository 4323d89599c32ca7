// SPDX-License-Identifier: Apache-2.0

package import NetTypes

/// Which of the addresses that nodes claim for their pods are believed, and what is known of them.
///
/// A claim of a SkeinEndpointSlice is believed if the address lies in the pod ranges of the node that the slice names and
/// in no other node's, if no node has it for its own, and if its identity is one that pods can have. Whatever the order in
/// which objects come, every node comes to the same result. Of two slices of one node with one address, the first by name
/// counts. What is not believed is told by ``problems(limit:)``.
package struct EndpointClaims: Sendable {
    /// What is believed of an address.
    package struct Claim: Hashable, Sendable {
        /// Where the pod is.
        package let node: String
        package let endpoint: ClusterEndpoint
    }

    package struct Change: Hashable, Sendable {
        package let address: IPAddress
        /// nil: nobody is believed to have it.
        package let claim: Claim?
    }

    /// Where a claim stands.
    struct Origin: Hashable {
        let slice: Int32
        let endpoint: Int32
    }

    /// Who claims an address, and who of them is believed. There are as many as there are addresses, so the usual one takes
    /// no more than it has to.
    enum Claimants {
        case one(Origin, isBelieved: Bool)
        case several([Origin], believed: Origin?)

        /// Nobody is believed yet. Not empty.
        init(_ origins: [Origin]) {
            self = origins.count == 1 ? .one(origins[0], isBelieved: false) : .several(origins, believed: nil)
        }

        var all: [Origin] {
            switch self {
            case .one(let origin, _): [origin]
            case .several(let origins, _): origins
            }
        }

        var believed: Origin? {
            switch self {
            case .one(let origin, let isBelieved): isBelieved ? origin : nil
            case .several(_, let believed): believed
            }
        }

        func believing(_ origin: Origin?) -> Claimants {
            switch self {
            case .one(let only, _): .one(only, isBelieved: only == origin)
            case .several(let origins, _): .several(origins, believed: origin)
            }
        }
    }

    struct Slot {
        let name: String
        let slice: EndpointSlice
    }

    private(set) var nodes: [String: ClusterNode] = [:]
    /// By range, the names of the nodes that have it: one, if all is right.
    private var owners = PrefixTable<[String]>()
    private(set) var nodeAddresses: [IPAddress: Set<String>] = [:]
    private(set) var slots: [Slot?] = []
    private var freeSlots: [Int32] = []
    private var slotsByName: [String: Int32] = [:]
    private var slotsByNode: [String: Set<Int32>] = [:]
    private(set) var claimants: [IPAddress: Claimants] = [:]
    /// Claimed by somebody who is not believed.
    private(set) var disputed: Set<IPAddress> = []
    /// To be looked at again by the update that is under way.
    private var touched: Set<IPAddress> = []
    /// What was believed of these before it.
    private var before: [IPAddress: Claim] = [:]

    package init() {}

    /// How many addresses are claimed, believed or not.
    package var count: Int { claimants.count }

    /// How many addresses are believed to be some pod's.
    package private(set) var believedCount = 0

    /// The addresses that are believed to be some pod's, in no order.
    package var believed: some Sequence<IPAddress> {
        claimants.lazy.filter { $0.value.believed != nil }.map(\.key)
    }

    /// The addresses that are believed to be pods' of one node.
    package func believed(of node: String) -> Set<IPAddress> {
        let claimed = (slotsByNode[node] ?? []).compactMap { slots[Int($0)]?.slice.endpoints }.joined()
        return Set(claimed.lazy.flatMap(\.addresses).filter { self[$0]?.node == node })
    }

    /// What is believed of an address.
    package subscript(address: IPAddress) -> Claim? { claimants[address]?.believed.flatMap(claim) }

    /// As ``update(nodes:slices:)``; gives only the addresses, in no order, which takes less memory.
    package mutating func take(
        nodes: [(name: String, node: ClusterNode?)] = [], slices: [(name: String, slice: EndpointSlice?)] = []
    ) -> [IPAddress] {
        for (name, node) in nodes { set(name, node) }
        for (name, slice) in slices { set(name, slice) }
        var changed: [IPAddress] = []
        for address in touched {
            let winner = winningOrigin(of: address)
            claimants[address] = claimants[address]?.believing(winner)
            believedCount += (winner == nil ? 0 : 1) - (before[address] == nil ? 0 : 1)
            if isDisputed(address, winner: winner) { disputed.insert(address) } else { disputed.remove(address) }
            if winner.flatMap(claim) != before[address] { changed.append(address) }
        }
        touched = []
        before = [:]
        return changed
    }

    /// Takes in how nodes and slices are now; nil: they are gone. The addresses of which something else is believed than
    /// before, in order.
    @discardableResult
    package mutating func update(
        nodes: [(name: String, node: ClusterNode?)] = [], slices: [(name: String, slice: EndpointSlice?)] = []
    ) -> [Change] {
        take(nodes: nodes, slices: slices).sorted().map { Change(address: $0, claim: self[$0]) }
    }

    /// As ``update(nodes:slices:)``, with what of a batch is about nodes and slices.
    @discardableResult
    package mutating func update(_ batch: [ResourceChange]) -> [Change] {
        var nodes: [(String, ClusterNode?)] = []
        var slices: [(String, EndpointSlice?)] = []
        for change in batch {
            switch change {
            case .node(let name, let node): nodes.append((name, node))
            case .endpointSlice(let name, let slice): slices.append((name, slice))
            default: break
            }
        }
        return update(nodes: nodes, slices: slices)
    }

    /// Who has a range in which the address lies.
    func rangeOwners(of address: IPAddress) -> Set<String> {
        Set(owners.covering(address).lazy.flatMap(\.value))
    }

    private func claim(_ origin: Origin) -> Claim? {
        slots[Int(origin.slice)].map {
            Claim(node: $0.slice.node, endpoint: $0.slice.endpoints[Int(origin.endpoint)])
        }
    }

    // MARK: Who is believed

    /// Whether pods can have this identity, as far as other nodes are to believe it.
    static func isOfPods(_ identity: IdentityNumber) -> Bool {
        switch ReservedIdentity(rawValue: identity) {
        case .unmanaged, .health, .`init`: true
        case nil: IdentityAllocator.range.contains(identity)
        default: false
        }
    }

    func winningOrigin(of address: IPAddress) -> Origin? {
        guard let claimants = claimants[address], nodeAddresses[address] == nil else { return nil }
        let owners = owners.covering(address)
        guard let owner = owners.first?.value.first,
            owners.allSatisfy({ $0.value.allSatisfy { $0 == owner } })
        else { return nil }
        var best: (origin: Origin, name: String)?
        for origin in claimants.all {
            guard let slot = slots[Int(origin.slice)], slot.slice.node == owner,
                Self.isOfPods(slot.slice.endpoints[Int(origin.endpoint)].identity)
            else { continue }
            if let best, (best.name, best.origin.endpoint) <= (slot.name, origin.endpoint) { continue }
            best = (origin, slot.name)
        }
        return best?.origin
    }

    private func isDisputed(_ address: IPAddress, winner: Origin?) -> Bool {
        guard let claimants = claimants[address] else { return false }
        guard let winner else { return true }
        return claimants.all.contains { $0 != winner }
    }

    // MARK: Changes

    /// To be called before what is known of the address changes.
    private mutating func touch(_ address: IPAddress) {
        if touched.insert(address).inserted { before[address] = self[address] }
    }

    private mutating func touch(slicesOf node: String) {
        for index in slotsByNode[node] ?? [] {
            guard let slot = slots[Int(index)] else { continue }
            for endpoint in slot.slice.endpoints { for address in endpoint.addresses { touch(address) } }
        }
    }

    private mutating func set(_ name: String, _ node: ClusterNode?) {
        let old = nodes[name]
        guard old != node else { return }
        let oldRanges = Set(old?.podRanges ?? [])
        let newRanges = Set(node?.podRanges ?? [])
        if oldRanges != newRanges {
            touch(slicesOf: name)
            // What others claim there was, or will be, in two nodes' ranges.
            for range in oldRanges.symmetricDifference(newRanges) {
                let overlapping = owners.covering(range) + owners.covered(by: range)
                for other in Set(overlapping.flatMap(\.value)) where other != name { touch(slicesOf: other) }
            }
        }
        let oldAddresses = Set(old?.addresses ?? [])
        let newAddresses = Set(node?.addresses ?? [])
        for address in oldAddresses.symmetricDifference(newAddresses) { touch(address) }

        for range in oldRanges.subtracting(newRanges) {
            let rest = (owners[range] ?? []).filter { $0 != name }
            owners[range] = rest.isEmpty ? nil : rest
        }
        for range in newRanges.subtracting(oldRanges) { owners[range] = (owners[range] ?? []) + [name] }
        for address in oldAddresses.subtracting(newAddresses) {
            nodeAddresses[address]?.remove(name)
            if nodeAddresses[address]?.isEmpty ?? false { nodeAddresses[address] = nil }
        }
        for address in newAddresses.subtracting(oldAddresses) { nodeAddresses[address, default: []].insert(name) }
        nodes[name] = node
    }

    private mutating func set(_ name: String, _ slice: EndpointSlice?) {
        let old = slotsByName[name].flatMap { slots[Int($0)]?.slice }
        guard old != slice else { return }
        for endpoint in (old?.endpoints ?? []) + (slice?.endpoints ?? []) {
            for address in endpoint.addresses { touch(address) }
        }
        if let index = slotsByName[name], let old {
            for endpoint in old.endpoints { for address in endpoint.addresses { remove(index, from: address) } }
            slotsByNode[old.node]?.remove(index)
            if slotsByNode[old.node]?.isEmpty ?? false { slotsByNode[old.node] = nil }
            if slice == nil {
                slotsByName[name] = nil
                slots[Int(index)] = nil
                freeSlots.append(index)
            }
        }
        guard let slice else { return }
        let index = slotsByName[name] ?? freeSlots.popLast() ?? Int32(slots.count)
        if Int(index) == slots.count { slots.append(nil) }
        slots[Int(index)] = Slot(name: name, slice: slice)
        slotsByName[name] = index
        slotsByNode[slice.node, default: []].insert(index)
        for (position, endpoint) in slice.endpoints.enumerated() {
            let origin = Origin(slice: index, endpoint: Int32(position))
            for address in endpoint.addresses {
                claimants[address] = Claimants((claimants[address]?.all ?? []) + [origin])
            }
        }
    }

    private mutating func remove(_ slice: Int32, from address: IPAddress) {
        let rest = (claimants[address]?.all ?? []).filter { $0.slice != slice }
        claimants[address] = rest.isEmpty ? nil : Claimants(rest)
    }
}
