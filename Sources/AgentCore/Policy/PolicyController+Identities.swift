// SPDX-License-Identifier: Apache-2.0
package import Model
import PolicyEngine

/// What is known of the identity that an endpoint should have.
package enum IdentityAnswer: Hashable, Sendable {
    case known(EndpointIdentity)
    /// The labels are known, and nobody has said yet which number they have.
    case unnumbered(SecurityLabels)
    /// Whose labels aren't known, and why, for a person.
    case unknown(String)
}

// Identities of this node's endpoints, in a cluster. The labels come from the pod's object and its namespace's, the number
// from the cluster.
extension PolicyController {
    /// - Parameter confirmed: there is an object that says so; else it is the cluster's answer to a question.
    package mutating func setIdentity(_ number: IdentityNumber, _ labels: SecurityLabels?, confirmed: Bool) {
        let old = knownIdentities.set(number, labels, confirmed: confirmed)
        compiler.stage(identity: number, labels)
        if let old {
            // Whoever has these labels needs another number.
            for record in endpoints.values where record.identity?.labels == old { unsettled.insert(record.number) }
        }
        if labels != nil { unsettled.formUnion(waiting) }
    }

    /// The endpoints to look at again, once.
    package mutating func takeUnsettled() -> [UInt16] {
        defer { unsettled = [] }
        return unsettled.sorted()
    }

    package mutating func unsettleWaiting() { unsettled.formUnion(waiting) }

    /// Looks at an endpoint again when there is news of any identity.
    package mutating func wait(_ endpoint: UInt16) { waiting.insert(endpoint) }

    package mutating func stopWaiting(_ endpoint: UInt16) { waiting.remove(endpoint) }

    /// Endpoints whose number nobody has written down, as far as this node was told: to be asked for again.
    package mutating func unsettleUnconfirmed() {
        for record in endpoints.values {
            guard let identity = record.identity, !knownIdentities.isConfirmed(identity.number) else { continue }
            unsettled.insert(record.number)
        }
    }

    /// What a pod should have by what its objects say now.
    package func identity(of record: EndpointRecord) -> IdentityAnswer {
        identity(namespace: record.podNamespace, name: record.podName, uid: record.podUID)
    }

    package func identity(namespace: String, name: String, uid: String?) -> IdentityAnswer {
        guard !name.isEmpty else { return .unknown("the container runtime named no pod") }
        guard let pod = pods["\(namespace)/\(name)"] else {
            return .unknown("the API server has not told of the pod yet")
        }
        if let uid, let other = pod.uid, uid != other {
            return .unknown("the API server tells of another pod of this name, \(other) instead of \(uid)")
        }
        if pod.hostNetwork { return .unknown("the API server says that the pod is in the node's network") }
        guard namespaces[namespace] != nil else {
            return .unknown("the API server has not told of the namespace \(namespace) yet")
        }
        let labels = securityLabels(of: pod)
        return knownIdentities.number(of: labels).map { .known(EndpointIdentity(number: $0, labels: labels)) }
            ?? .unnumbered(labels)
    }
}
