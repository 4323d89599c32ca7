// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import IPAM
import Logging
package import Model
import NetTypes
import PolicyEngine

extension Agent {
    /// What the cluster is to be asked and told now.
    package func takeNews() -> DirectoryNews { outbox.take() }

    private func signal() {
        if !outbox.isEmpty { newsSignal.continuation.yield() }
    }

    func ask(for labels: SecurityLabels) {
        outbox.ask(labels)
        signal()
    }

    /// The cluster's answer: the labels have this number on every node.
    package func identityArrived(_ labels: SecurityLabels, _ number: IdentityNumber) {
        outbox.close(labels)
        policy.setIdentity(number, labels, confirmed: false)
        settleIdentities()
        applyPolicyOrNote()
        tellCluster()
        bell.ring()
    }

    /// There was no answer; whoever still needs it asks again.
    package func identityFailed(_ labels: SecurityLabels, _ problem: String) {
        outbox.close(labels, problem: problem)
        logger.warning("no identity", metadata: ["labels": "\(labels)", "error": "\(problem)"])
        policy.unsettleWaiting()
        settleIdentities()
        bell.ring()
    }

    /// Gives running endpoints whose labels have changed the identity of the new ones. Until that has a number the old one
    /// stays in force.
    func settleIdentities() {
        guard settings.cluster != nil else { return }
        for number in policy.takeUnsettled() {
            guard let record = endpointTable[number: number], record.state == .ready else { continue }
            switch policy.identity(of: record) {
            case .known(let identity):
                policy.stopWaiting(number)
                if identity != record.identity {
                    switchIdentity(of: record, to: identity)
                } else if !policy.knownIdentities.isConfirmed(identity.number) {
                    // A number that nobody has written down may be given to others: the answer makes it so.
                    ask(for: identity.labels)
                }
            case .unnumbered(let labels):
                policy.wait(number)
                ask(for: labels)
            case .unknown:
                // Its object is gone before it is; what it had must stay what it is.
                guard let labels = record.identity?.labels, policy.knownIdentities.number(of: labels) == nil else {
                    policy.stopWaiting(number)
                    continue
                }
                policy.wait(number)
                ask(for: labels)
            }
        }
    }

    private func switchIdentity(of record: EndpointRecord, to identity: EndpointIdentity) {
        guard let switched = endpointTable.setIdentity(identity, of: record.key) else { return }
        policy.setEndpoint(switched)
        log(switched, "remember") { try store.save(switched) }
        logger.info(
            "endpoint has another identity",
            metadata: [
                "endpoint": "\(record.number)", "pod": "\(record.podText)", "identity": "\(identity.number)",
            ])
    }

    /// What an earlier agent knew of endpoints that are taken over: it holds until the cluster says otherwise.
    func restoreIdentities() {
        guard settings.cluster != nil else { return }
        for record in endpointTable.all {
            guard let identity = record.identity, policy.knownIdentities.labels(of: identity.number) == nil,
                policy.knownIdentities.number(of: identity.labels) == nil
            else { continue }
            policy.setIdentity(identity.number, identity.labels, confirmed: false)
        }
        for record in endpointTable.all where record.state == .ready {
            policy.setEndpoint(record)
            policy.unsettled.insert(record.number)
        }
        settleIdentities()
    }

    /// Asks again for numbers that nobody has written down.
    package func confirmIdentities() {
        guard settings.cluster != nil else { return }
        policy.unsettleUnconfirmed()
        settleIdentities()
    }

    /// Tells of this node's endpoints if they are others than before. While the kernel is behind it keeps its peace: what
    /// is not in force here is not so.
    func tellCluster() {
        guard settings.cluster != nil, policy.endpointsChanged, conditions[.policy] == nil else { return }
        policy.endpointsChanged = false
        let endpoints = endpointTable.all.compactMap { record -> ClusterEndpoint? in
            // Another node may have given the same number to other labels, if nobody has decided on it.
            guard record.state == .ready, !record.podName.isEmpty, let view = policy.view(of: record.number),
                policy.knownIdentities.number(of: policy.securityLabels(of: record)) != nil
            else { return nil }
            return ClusterEndpoint(
                addresses: record.addresses, identity: view.identity, namedPorts: policy.namedPorts(of: record),
                namespace: record.podNamespace, podName: record.podName)
        }
        outbox.tell(endpoints)
        signal()
    }

    /// Tells how this node is, if that is not as before.
    package func tellNode() {
        guard settings.cluster != nil, conditions[.starting] == nil else { return }
        let families = [pools.ipv4, pools.ipv6].compactMap(\.self)
        var state = NodeState(problem: conditions.all.isEmpty ? nil : conditions.all.joined(separator: "; "))
        if let used = families.map(\.used).max(), let available = families.map(\.free).min() {
            state.addresses = NodeState.Addresses(used: used, available: available).coarse
        }
        outbox.tell(state)
        signal()
    }

    /// Tells that the kernel holds all policies that there are, or why it does not hold the new ones.
    func tellPolicies(_ problem: String? = nil) {
        guard settings.cluster != nil else { return }
        if let problem {
            for policy in policy.pendingPolicies { outbox.tell(.notEnforced(problem), of: policy) }
        } else {
            for policy in policy.takePendingPolicies() { outbox.tell(.enforced, of: policy) }
        }
        signal()
    }

    /// New addresses come from the ranges that the cluster has given this node.
    func takePodRanges() {
        guard settings.cluster != nil else { return }
        let node = "SkeinNode \(policy.peers.ownName)"
        let given = policy.peers.ownNode?.podRanges ?? []
        let ranges = given.filter(\.isIPv4) + given.filter { !$0.isIPv4 }
        do {
            if ranges != pools.usage.map(\.range) {
                try pools.setRanges(ranges, restoring: savedPools)
                if pools.hasRanges { savedPools = nil }
                poolsChanged = true
                if hasStarted { syncNodeRoutes() }
            }
            note(.wrongRanges, nil)
        } catch {
            note(.wrongRanges, "the pod CIDRs of \(node) can't be used: \(error)")
        }
        let missing = "this node has no pod CIDR yet: there is none in \(node)"
        note(.podRanges, pools.hasRanges ? nil : conditions[.wrongRanges] ?? missing)
        // Pods keep for life the MTU that they start with.
        let guessesMTU = pools.hasRanges && settings.mtu == nil && policy.peers.ownNode?.addresses.isEmpty ?? true
        let isTunnelled = settings.routing?.overhead ?? 0 > 0
        note(
            .nodeAddress,
            guessesMTU && isTunnelled ? "this node has no address yet: there is none in \(node)" : nil)
    }
}
