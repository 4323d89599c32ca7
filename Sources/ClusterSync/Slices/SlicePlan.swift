// SPDX-License-Identifier: Apache-2.0
import KubeClient
import Model

/// Which of a node's slices have to change so that together they hold just the endpoints that they should.
///
/// An endpoint stays in the slice where it is; new ones go where something is written anyway, then into the first
/// slices with room, then into new ones. So the start of a pod costs one write, whatever the number of slices.
struct SlicePlan: Hashable, Sendable {
    enum Change: Hashable, Sendable {
        case delete(String)
        case update(String, [ClusterEndpoint])
        case create(String, [ClusterEndpoint])

        var name: String {
            switch self {
            case .delete(let name), .update(let name, _), .create(let name, _): name
            }
        }
    }

    /// In the order in which they are to be made: an address that one endpoint has lost is out before the one that has it
    /// now is in.
    let changes: [Change]

    /// What an endpoint is, whatever is known of it otherwise: with other addresses it is another one.
    private struct Key: Hashable {
        let endpoint: ClusterEndpoint

        init(_ endpoint: ClusterEndpoint) {
            self.endpoint = ClusterEndpoint(
                addresses: endpoint.addresses, identity: 0, namespace: endpoint.namespace, podName: endpoint.podName)
        }
    }

    /// - Parameters:
    ///   - own: the slices that say that they are this node's, by name.
    ///   - taken: names that others' objects have.
    init(
        desired: [ClusterEndpoint], own: [String: [ClusterEndpoint]], taken: Set<String> = [], node: String,
        limit: Int = SkeinEndpointSlice.maximumEndpoints
    ) {
        var waiting: [Key: ClusterEndpoint] = [:]
        for endpoint in desired { waiting[Key(endpoint)] = endpoint }
        // Slices with names of their own are not made here: what is in them moves.
        let places = own.keys.compactMap { name in Self.index(of: name, node: node).map { (index: $0, name: name) } }
            .sorted { $0.index < $1.index }

        var contents: [(name: String, old: [ClusterEndpoint]?, now: [ClusterEndpoint])] = places.map { place in
            let old = own[place.name] ?? []
            var kept: [ClusterEndpoint] = []
            for endpoint in old where kept.count < limit {
                if let now = waiting.removeValue(forKey: Key(endpoint)) { kept.append(now) }
            }
            return (place.name, old, kept)
        }
        // In an order that does not depend on who asks.
        var rest = waiting.values.sorted(by: Self.precedes)[...]
        func fill(where isMeant: (Int) -> Bool) {
            for index in contents.indices where !rest.isEmpty && isMeant(index) {
                let room = max(limit - contents[index].now.count, 0)
                contents[index].now += rest.prefix(room)
                rest = rest.dropFirst(room)
            }
        }
        fill { contents[$0].old != contents[$0].now && !contents[$0].now.isEmpty }
        fill { _ in true }
        var next = 0
        while !rest.isEmpty {
            let name = "\(node)-\(next)"
            next += 1
            if own[name] != nil || taken.contains(name) { continue }
            contents.append((name, nil, Array(rest.prefix(limit))))
            rest = rest.dropFirst(limit)
        }

        var deletes = own.keys.filter { Self.index(of: $0, node: node) == nil }.sorted().map { Change.delete($0) }
        var updates: [Change] = []
        var creates: [Change] = []
        for (name, old, now) in contents {
            switch old {
            case nil: creates.append(.create(name, now))
            case _ where now.isEmpty: deletes.append(.delete(name))
            case now: break
            default: updates.append(.update(name, now))
            }
        }
        changes = deletes + updates + creates
    }

    /// The number behind the node's name, in its only spelling; nil for a name that no slice of this node has.
    static func index(of name: String, node: String) -> Int? {
        guard name.hasPrefix(node), name.utf8.dropFirst(node.utf8.count).first == UInt8(ascii: "-") else { return nil }
        let digits = name.dropFirst(node.count + 1)
        guard let index = Int(digits), index >= 0, "\(index)" == digits else { return nil }
        return index
    }

    private static func precedes(_ a: ClusterEndpoint, _ b: ClusterEndpoint) -> Bool {
        if (a.namespace, a.podName) != (b.namespace, b.podName) {
            return (a.namespace, a.podName) < (b.namespace, b.podName)
        }
        return a.addresses.lexicographicallyPrecedes(b.addresses)
    }
}
