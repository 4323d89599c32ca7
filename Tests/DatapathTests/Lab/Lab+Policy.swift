// SPDX-License-Identifier: Apache-2.0
import NetTypes
import PolicyEngine

// SPDX-License-Identifier: Apache-2.0
@testable import Datapath

/// What a pod may do, as rows by class of the peer; 0: every class without a row of its own. A direction that is nil is
/// not enforced.
struct TestPolicy {
    var ingress: [UInt32: PolicyRow]?
    var egress: [UInt32: PolicyRow]?

    static let open = TestPolicy()
    static let closed = TestPolicy(ingress: [:], egress: [:])
}

extension PolicyRow {
    static let allowAll = PolicyRow(base: .allow(1), ports: [])
    static let denyAll = PolicyRow(base: .deny(2), ports: [])

    /// Default deny but for what is listed.
    static func only(_ ports: PortVerdict...) -> PolicyRow { PolicyRow(base: .defaultDeny, ports: ports) }
    /// Allowed but for what is listed.
    static func allBut(_ ports: PortVerdict...) -> PolicyRow { PolicyRow(base: .allow(1), ports: ports) }
}

extension RowVerdict {
    static func allow(_ cookie: UInt32) -> RowVerdict { RowVerdict(verdict: .allow, cookie: cookie) }
    static func deny(_ cookie: UInt32) -> RowVerdict { RowVerdict(verdict: .deny, cookie: cookie) }
}

extension PortVerdict {
    static func allow(_ number: IPProtocol, _ port: UInt16, cookie: UInt32 = 3) -> PortVerdict {
        PortVerdict(protocol: number.rawValue, ports: PortRange(port), verdict: .allow(cookie))
    }

    static func deny(_ number: IPProtocol, _ port: UInt16, cookie: UInt32 = 4) -> PortVerdict {
        PortVerdict(protocol: number.rawValue, ports: PortRange(port), verdict: .deny(cookie))
    }
}

extension Lab {
    /// The changeset that gives pods these policies, with numbers of their own, and removes the rows that they had.
    func changeset(_ policies: [TestPod: TestPolicy]) -> Changeset {
        var changes = Changeset()
        for (pod, policy) in policies {
            lastPolicy += 1
            var keys: [PolicyRowKey] = []
            for (direction, table) in [(Direction.ingress, policy.ingress), (.egress, policy.egress)] {
                for (classID, row) in table ?? [:] {
                    let key = PolicyRowKey(policy: lastPolicy, classID: classID, direction: direction)
                    keys.append(key)
                    changes.addedRows.append((key, row))
                }
            }
            changes.removedRows += rows[pod.number] ?? []
            rows[pod.number] = keys
            let old = views[pod.number] ?? pod.view(policy: 0)
            let view = EndpointView(
                policy: lastPolicy, enforceIngress: policy.ingress != nil, enforceEgress: policy.egress != nil,
                slot4: old.slot4, slot6: old.slot6, identity: old.identity)
            views[pod.number] = view
            changes.views.append((pod.number, view))
        }
        return changes
    }

    @discardableResult
    func enforce(_ policies: [TestPod: TestPolicy]) throws -> ApplyReport {
        try datapath.apply(changeset(policies))
    }
}
