// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import PolicyEngine

/// A small world as its inhabitants see it, from which both the compiler and the reference get what they need.
struct Cluster {
    struct Inhabitant: Equatable {
        var pod: Pod
        /// 0: on another node.
        var endpoint: UInt16
    }

    var namespaces: [String: Namespace] = [:]
    /// By name, which is unique over namespaces here.
    var pods: [String: Inhabitant] = [:]
    var policies: [ObjectReference: NetworkPolicy] = [:]
    var skeinPolicies: [ObjectReference: SkeinNetworkPolicy] = [:]
    var clusterPolicies: [ObjectReference: ClusterNetworkPolicy] = [:]
    var hosts: [IPAddress] = []
    var nodes: [IPAddress] = []
    var apiServers: [IPAddress: KubeAPIServerPlace] = [:]
    /// On other nodes, by their numbers.
    var reserved: [IPAddress: ReservedIdentity] = [:]
    /// Addresses that are asked about and that nobody has.
    var strangers: [IPAddress] = []

    func securityLabels(of pod: Pod) -> SecurityLabels {
        SecurityLabels(namespace: pod.namespace, namespaces[pod.namespace], podLabels: pod.labels)
    }

    func stage(_ name: String, in compiler: inout PolicyCompiler) {
        guard let inhabitant = pods[name] else { return }
        let pod = inhabitant.pod
        if inhabitant.endpoint != 0 {
            compiler.stage(
                PolicyEndpoint(
                    number: inhabitant.endpoint, addresses: pod.addresses, labels: securityLabels(of: pod),
                    namedPorts: pod.namedPorts))
        } else {
            for address in pod.addresses {
                compiler.stage(.pod(securityLabels(of: pod), namedPorts: pod.namedPorts), at: address)
            }
        }
    }

    func unstage(_ inhabitant: Inhabitant, in compiler: inout PolicyCompiler) {
        if inhabitant.endpoint != 0 { compiler.stageRemoval(ofEndpoint: inhabitant.endpoint) }
        for address in inhabitant.pod.addresses { compiler.stage(nil as PolicyPeer?, at: address) }
    }

    func stageAll(in compiler: inout PolicyCompiler) {
        for address in hosts { compiler.stage(.host, at: address) }
        for address in nodes { compiler.stage(.remoteNode, at: address) }
        for name in pods.keys.sorted() { stage(name, in: &compiler) }
        for (address, place) in apiServers { compiler.stage(.kubeAPIServer(on: place), at: address) }
        for (address, identity) in reserved {
            compiler.stage(.endpoint(identity.rawValue, namedPorts: []), at: address)
        }
        for reference in references { stage(reference, in: &compiler) }
    }

    /// All policies, of every kind.
    var references: [ObjectReference] {
        (Array(policies.keys) + Array(skeinPolicies.keys) + Array(clusterPolicies.keys)).sorted()
    }

    func stage(_ reference: ObjectReference, in compiler: inout PolicyCompiler) {
        if let policy = policies[reference] {
            compiler.stage(PolicyObject(policy))
        } else if let policy = skeinPolicies[reference] {
            compiler.stage(PolicyObject.objects(of: policy), of: reference)
        } else if let policy = clusterPolicies[reference] {
            compiler.stage(PolicyObject(policy))
        } else {
            compiler.stageRemoval(of: reference)
        }
    }

    /// Tables compiled from nothing.
    func compiled() -> (compiler: PolicyCompiler, state: TableState) {
        var compiler = PolicyCompiler()
        stageAll(in: &compiler)
        var state = TableState()
        state.apply(compiler.commit())
        return (compiler, state)
    }

    var allAddresses: [IPAddress] {
        pods.keys.sorted().flatMap { pods[$0]?.pod.addresses ?? [] } + hosts + nodes + strangers
            + apiServers.keys.sorted() + reserved.keys.sorted()
    }
}

/// One connection attempt.
struct Query: Hashable {
    let source: IPAddress
    let destination: IPAddress
    let `protocol`: IPProtocol
    let port: UInt16

    func judge(_ state: TableState) -> Judgement {
        interpret(state, from: source, to: destination, protocol: `protocol`, port: port)
    }
}
