// SPDX-License-Identifier: Apache-2.0
import KubeClient
import Synchronization

/// Pods of other nodes that come, go and get other labels, as their nodes' agents tell it.
final class Churn: Sendable {
    private struct Node {
        var pods: [SkeinEndpointSlice.Endpoint]
        var isBusy = false
        /// Of the next pod; addresses are used again only after all others.
        var nextPlace: Int
    }

    private struct State {
        var nodes: [Node]
        var nextIdentity: Int
        /// Of pods that came with an identity of their own.
        var ownIdentities: Set<UInt32> = []
        var generator = SystemRandomNumberGenerator()
        var answers: [Double] = []
        var failures: [String] = []
    }

    private enum Change {
        case arrival, departure, relabelling
    }

    private struct Work {
        let node: Int
        let pods: [SkeinEndpointSlice.Endpoint]
        let expectation: (pod: SkeinEndpointSlice.Endpoint, identity: UInt32?)
        /// To be made before it is used.
        var newIdentity: Int?
        /// Nobody has it afterwards.
        var oldIdentity: UInt32?
    }

    private struct Patch: Encodable {
        let endpoints: [SkeinEndpointSlice.Endpoint]
    }

    private let client: APIClient
    private let world: World
    private let watch: MapWatch
    private let state: Mutex<State>

    init(_ client: APIClient, _ world: World, _ watch: MapWatch) {
        self.client = client
        self.world = world
        self.watch = watch
        state = Mutex(
            State(
                nodes: (0..<world.nodes).map { Node(pods: world.pods(of: $0), nextPlace: world.podCount($0) + 1) },
                nextIdentity: world.identities))
    }

    /// Milliseconds that the API server took to answer.
    var answers: [Double] { state.withLock { $0.answers } }
    var failures: [String] { state.withLock { $0.failures } }
    /// All pods as they were told last.
    var pods: [SkeinEndpointSlice.Endpoint] { state.withLock { $0.nodes.flatMap(\.pods) } }

    /// Makes so many changes a second, evenly; returns when the last one was answered.
    func run(perSecond: Int, for duration: Duration) async {
        let start = ContinuousClock.now
        await withDiscardingTaskGroup { group in
            let count = Int(Seconds(duration).value * Double(perSecond))
            for number in 0..<count {
                try? await Task.sleep(
                    until: start + .microseconds(1_000_000 * number / perSecond), tolerance: .zero, clock: .continuous)
                guard let work = take(number) else { continue }
                group.addTask { await self.make(work) }
            }
        }
    }

    private func make(_ work: Work) async {
        do {
            if let identity = work.newIdentity {
                _ = try await client.create(SkeinIdentity.resource, world.identity(identity))
            }
            let sent = ContinuousClock.now
            watch.expect(
                MapWatch.Expectation(
                    addresses: work.expectation.pod.addresses, identity: work.expectation.identity, sent: sent))
            try await client.patch(
                SkeinEndpointSlice.resource, "\(World.node(work.node))-0", changes: Patch(endpoints: work.pods))
            let answer = Seconds(sent.duration(to: .now)).milliseconds
            state.withLock { state in
                state.answers.append(answer)
                state.nodes[work.node].pods = work.pods
                state.nodes[work.node].isBusy = false
            }
            if let old = work.oldIdentity { _ = try await client.delete(SkeinIdentity.resource, "\(old)") }
        } catch {
            state.withLock { state in
                state.failures.append("\(error)")
                state.nodes[work.node].isBusy = false
            }
        }
    }

    /// Of twenty changes nine are pods that come, nine pods that go and two pods with other labels; every tenth pod that
    /// comes, and every other one with other labels, has labels that nobody had before.
    private func take(_ number: Int) -> Work? {
        let kinds: [Change] = [.arrival, .departure]
        let change = number % 10 == 9 ? .relabelling : kinds[number % 2]
        let isNew = change == .arrival ? number % 20 == 8 : number % 20 == 19
        return state.withLock { state in
            for _ in 0..<1_000 {
                let index = Int.random(in: 0..<state.nodes.count, using: &state.generator)
                let node = state.nodes[index]
                guard !node.isBusy, change == .arrival ? node.pods.count < 60 : !node.pods.isEmpty else { continue }
                state.nodes[index].isBusy = true
                return work(change, on: index, isNew: isNew, &state)
            }
            return nil
        }
    }

    private func work(_ change: Change, on index: Int, isNew: Bool, _ state: inout State) -> Work {
        var pods = state.nodes[index].pods
        var newIdentity: Int?
        func identity() -> Int {
            guard isNew else { return Int.random(in: 0..<world.identities, using: &state.generator) }
            defer { state.nextIdentity += 1 }
            newIdentity = state.nextIdentity
            state.ownIdentities.insert(World.firstIdentity + UInt32(state.nextIdentity))
            return state.nextIdentity
        }
        func freed(_ pod: SkeinEndpointSlice.Endpoint) -> UInt32? { state.ownIdentities.remove(pod.identity) }
        switch change {
        case .arrival:
            let used = Set(pods.compactMap { $0.addresses.first })
            var place = state.nodes[index].nextPlace
            while World.podAddresses(index, place: place).contains(where: used.contains) { place = place % 254 + 1 }
            state.nodes[index].nextPlace = place % 254 + 1
            let pod = world.endpoint(on: index, place: place, identity: identity())
            pods.append(pod)
            return Work(node: index, pods: pods, expectation: (pod, pod.identity), newIdentity: newIdentity)
        case .departure:
            let pod = pods.remove(at: Int.random(in: 0..<pods.count, using: &state.generator))
            return Work(node: index, pods: pods, expectation: (pod, nil), oldIdentity: freed(pod))
        case .relabelling:
            let position = Int.random(in: 0..<pods.count, using: &state.generator)
            let old = pods[position]
            pods[position].identity = World.firstIdentity + UInt32(identity())
            let pod = pods[position]
            return Work(
                node: index, pods: pods, expectation: (pod, pod.identity), newIdentity: newIdentity,
                oldIdentity: freed(old))
        }
    }
}
