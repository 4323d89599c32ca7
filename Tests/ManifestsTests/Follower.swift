// SPDX-License-Identifier: Apache-2.0
import Model
import Synchronization
import Testing

@testable import Manifests

/// Applies the batches of a source, as the agent does.
final class Follower: Sendable {
    private struct State {
        var pods: [String: String] = [:]
        var policies: Set<String> = []
        var namespaces: Set<String> = []
        var batches: [[String]] = []

        mutating func note(_ policy: ObjectReference, isGone: Bool) -> String {
            if isGone { policies.remove(policy.name) } else { policies.insert(policy.name) }
            return isGone ? "-\(policy.name)" : policy.name
        }
    }

    let source: ManifestSource
    private let fixture: FolderFixture
    private let state = Mutex(State())

    /// Runs a source on the fixture's folders while `body` runs, and ends it after that.
    static func run(_ fixture: FolderFixture, body: (Follower) async throws -> Void) async throws {
        let follower = Follower(fixture)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await follower.source.run() }
            group.addTask {
                for await batch in follower.source.changes { follower.apply(batch) }
            }
            try await eventually("first batch") { !follower.batches.isEmpty }
            try await body(follower)
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    private init(_ fixture: FolderFixture) {
        self.fixture = fixture
        source = ManifestSource(
            folder: fixture.manifests, lastGoodDirectory: fixture.lastGood, logger: fixture.logger)
    }

    /// "a=1 b=": the pods in force with their label v, without that of ``barrier()``.
    var pods: String {
        state.withLock { $0.pods.map { "\($0.key)=\($0.value)" }.filter { !$0.hasPrefix("barrier=") } }
            .sorted().joined(separator: " ")
    }

    var policies: Set<String> { state.withLock { $0.policies } }

    var namespaces: Set<String> { state.withLock { $0.namespaces } }

    /// "a=1" for a pod that is new or changed, "-a" for one that is gone; policies and namespaces likewise.
    var batches: [[String]] { state.withLock { $0.batches } }

    var errors: [String] { source.errors.map(\.description) }

    /// Returns when all that was written before has had its effect: later changes come in later batches.
    func barrier() async throws {
        let value = "\(batches.count)"
        try fixture.replace("zz-barrier.yaml", with: podText("barrier", value))
        try await eventually("barrier") { state.withLock { $0.pods["barrier"] == value } }
    }

    private func apply(_ batch: [ResourceChange]) {
        state.withLock { state in
            var words: [String] = []
            for change in batch {
                switch change {
                case .namespace(let name, let namespace):
                    if namespace == nil { state.namespaces.remove(name) } else { state.namespaces.insert(name) }
                    words.append(namespace == nil ? "-\(name)" : name)
                case .pod(let reference, let pod):
                    state.pods[reference.name] = pod.map { $0.labels["v"] ?? "" }
                    words.append(pod.map { "\(reference.name)=\($0.labels["v"] ?? "")" } ?? "-\(reference.name)")
                case .networkPolicy(let reference, let policy):
                    words.append(state.note(reference, isGone: policy == nil))
                case .skeinNetworkPolicy(let reference, let policy):
                    words.append(state.note(reference, isGone: policy == nil))
                case .clusterNetworkPolicy(let reference, let policy):
                    words.append(state.note(reference, isGone: policy == nil))
                case .node, .identity, .endpointSlice, .apiServers, .service: words.append("\(change)")
                }
            }
            state.batches.append(words)
        }
    }
}

func podText(_ name: String, _ value: String = "1") -> String {
    "apiVersion: v1\nkind: Pod\nmetadata: {name: \(name), labels: {v: \"\(value)\"}}\n"
}

func podsText(_ pods: (String, String)...) -> String {
    pods.map { podText($0.0, $0.1) }.joined(separator: "---\n")
}
