// SPDX-License-Identifier: Apache-2.0

/// What is wrong at present, by what it is about. Something is said when it begins and when it ends, not in between.
package struct Conditions: Sendable {
    package enum Topic: Hashable, Comparable, Sendable {
        case starting
        /// The kernel holds an earlier policy than the objects ask for.
        case policy
        /// There is nothing to take pods' addresses from.
        case podRanges
        /// By which of its addresses other nodes know this one isn't told, so neither is what a pod's packet may weigh.
        case nodeAddress
        /// What the cluster gives to take them from can't be used.
        case wrongRanges
        /// A comparison of the maps with what they should be failed.
        case repair
        case flows
        case denyLists
        /// The runtime could not be told that the node is ready.
        case announcement
        case masquerade
        /// The kernel refuses the programs on the node's own devices, or what they are to know.
        case nodePrograms
        case host
        /// Routes or neighbour entries of the host's side of pods' links are missing.
        case podLinks
        /// The host's routes to other nodes' pods are not all there.
        case nodeRoutes
        /// There are more nodes than tunnels can lead to.
        case nodeNumbers
        case map(String)
    }

    /// What happened to a topic.
    package enum Change: Equatable, Sendable {
        case began
        case changed
        case ended
        case none
    }

    private var messages: [Topic: String] = [:]

    package init() {}

    package subscript(topic: Topic) -> String? { messages[topic] }

    /// Sets what is wrong with a topic; nil: nothing.
    @discardableResult
    package mutating func set(_ topic: Topic, _ message: String?) -> Change {
        let old = messages[topic]
        messages[topic] = message
        switch (old, message) {
        case (nil, nil): return .none
        case (nil, _): return .began
        case (_, nil): return .ended
        case (let old?, let message?): return old == message ? .none : .changed
        }
    }

    /// Why an ADD would not be served, in words.
    package var blocking: [String] {
        [.starting, .policy, .podRanges, .nodeAddress].compactMap { messages[$0] }
    }

    /// Why this node is not to be counted among those that are well, in words: beside what keeps ADD from being served, that
    /// the kernel does not take what this version puts on the node's devices. A device or a route that is missing is
    /// none of a version's doing.
    package var unready: [String] {
        blocking + [messages[.nodePrograms]].compactMap(\.self)
    }

    package var all: [String] {
        var all: [String] = []
        for (_, message) in messages.sorted(by: { $0.key < $1.key }) where !all.contains(message) {
            all.append(message)
        }
        return all
    }
}
