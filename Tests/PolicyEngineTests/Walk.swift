// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import PolicyEngine

/// A cluster to which random things happen, a compiler that is told of them, and the tables that it keeps.
struct Walk {
    var generator: ClusterGenerator
    var cluster: Cluster
    var compiler = PolicyCompiler()
    var state = TableState()

    /// Of the changes since the last commit: addresses whose owners changed themselves, and endpoints that went away.
    private(set) var changedAddresses: Set<IPAddress> = []
    private(set) var removedEndpoints: Set<UInt16> = []

    /// `others`: how many SkeinNetworkPolicies, SkeinClusterNetworkPolicies and ClusterNetworkPolicies there are too.
    init(seed: UInt64, pods: Int, policies: Int, others: Int = 0) {
        generator = ClusterGenerator(seed: seed)
        cluster = generator.cluster(pods: pods, policies: policies)
        if others > 0 { generator.addEntities(to: &cluster) }
        for _ in 0..<others { generator.addOther(to: &cluster) }
        cluster.stageAll(in: &compiler)
        state.apply(compiler.commit())
    }

    /// Forgets what changed, and takes the endpoints away that did; to be called when a commit is applied.
    mutating func settle() {
        let numbers = Set(cluster.pods.values.map(\.endpoint))
        for number in removedEndpoints where !numbers.contains(number) { state.removeEndpoint(number) }
        changedAddresses = []
        removedEndpoints = []
    }

    enum Kinds {
        case all
        case policiesOnly
    }

    /// One random change, staged but not committed.
    mutating func change(_ kinds: Kinds = .all) {
        if !cluster.apiServers.isEmpty, generator.random.chance(50) { return changeOther() }
        let names = cluster.pods.keys.sorted()
        let references = cluster.policies.keys.sorted()
        switch kinds == .policiesOnly
            ? generator.random.pick([0, 1, 2]) : generator.random.pick([0, 1, 2, 3, 3, 4, 5, 5, 6, 7, 8])
        {
        case 0:
            let reference = generator.addPolicy(to: &cluster)
            stage(reference)
        case 1 where !references.isEmpty:
            let reference = generator.random.pick(references)
            cluster.policies[reference] = nil
            stage(reference)
        case 2 where !references.isEmpty:
            let reference = generator.random.pick(references)
            cluster.policies[reference] = generator.policy(named: reference.name, in: reference.namespace)
            stage(reference)
        case 3 where names.count < 20:
            stage(pod: generator.addPod(to: &cluster))
        case 4 where !names.isEmpty:
            remove(pod: generator.random.pick(names))
        case 5 where !names.isEmpty:
            alter(generator.random.pick(names)) { generator, inhabitant in
                inhabitant.pod.labels = generator.podLabels()
            }
        case 6 where !names.isEmpty:
            alter(generator.random.pick(names)) { generator, inhabitant in
                inhabitant.pod.namedPorts = generator.namedPorts()
            }
        case 7 where !names.isEmpty:
            // The same pod, seen from the other node or with one address less.
            let name = generator.random.pick(names)
            guard let old = cluster.pods[name] else { return }
            remove(pod: name)
            var moved = old
            moved.endpoint = old.endpoint == 0 ? 99 - UInt16(cluster.pods.count) : 0
            if cluster.pods.values.contains(where: { $0.endpoint == moved.endpoint }) { moved.endpoint = 0 }
            if moved.pod.addresses.count > 1, generator.random.chance(50) { moved.pod.addresses.removeFirst() }
            cluster.pods[name] = moved
            stage(pod: name)
        case 8:
            relabelNamespace(generator.random.pick(["alpha", "beta", "gamma"]))
        default:
            stage(pod: generator.addPod(to: &cluster))
        }
    }

    /// A policy of another kind comes, goes, or is replaced by one of that name.
    private mutating func changeOther() {
        let others = cluster.references.filter { cluster.policies[$0] == nil }
        if others.isEmpty || generator.random.chance(40) {
            stage(generator.addOther(to: &cluster))
        } else {
            let reference = generator.random.pick(others)
            let replaced = generator.random.chance(50)
            cluster.skeinPolicies[reference] = nil
            cluster.clusterPolicies[reference] = nil
            if replaced { generator.addOther(to: &cluster, as: reference) }
            stage(reference)
        }
    }

    private mutating func stage(_ reference: ObjectReference) {
        cluster.stage(reference, in: &compiler)
    }

    private mutating func stage(pod name: String) {
        cluster.stage(name, in: &compiler)
        changedAddresses.formUnion(cluster.pods[name]?.pod.addresses ?? [])
    }

    private mutating func remove(pod name: String) {
        guard let old = cluster.pods.removeValue(forKey: name) else { return }
        cluster.unstage(old, in: &compiler)
        changedAddresses.formUnion(old.pod.addresses)
        if old.endpoint != 0 { removedEndpoints.insert(old.endpoint) }
    }

    private mutating func alter(_ name: String, _ change: (inout ClusterGenerator, inout Cluster.Inhabitant) -> Void) {
        guard var inhabitant = cluster.pods[name] else { return }
        change(&generator, &inhabitant)
        cluster.pods[name] = inhabitant
        stage(pod: name)
    }

    private mutating func relabelNamespace(_ name: String) {
        cluster.namespaces[name] = generator.namespace(name)
        for (pod, inhabitant) in cluster.pods.sorted(by: { $0.key < $1.key }) where inhabitant.pod.namespace == name {
            stage(pod: pod)
        }
    }
}

extension TableState {
    /// Whether both hold the same.
    func agrees(with snapshot: TableState) -> Bool {
        rows == snapshot.rows && peers == snapshot.peers && prefixes == snapshot.prefixes && views == snapshot.views
            && classes == snapshot.classes && identities == snapshot.identities
    }

    var usedSlots: Set<UInt32> {
        Set(peers.values.map(\.slot)).union(prefixes.values.map(\.slot)).union(identities.values)
            .union(views.values.flatMap { [$0.slot4, $0.slot6] })
    }
}
