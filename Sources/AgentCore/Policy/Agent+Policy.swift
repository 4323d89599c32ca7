// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Datapath
import IPAM
import Logging
package import Model
import PolicyEngine

extension Agent {
    /// Takes in what the source says now. What can't be put into the kernel is tried again later; until then the
    /// kernel enforces what it did before.
    package func apply(_ changes: [ResourceChange]) {
        let addresses = policy.peers.ownNode?.addresses
        for change in changes { policy.apply(change) }
        forgetPolicies(changes)
        // Before the ranges, with which ADD is served.
        if policy.peers.ownNode?.addresses != addresses { followOwnNode() }
        takePodRanges()
        settleIdentities()
        defer { bell.ring() }
        guard hasStarted else { return }
        if conditions[.policy] == nil { applyPolicyOrNote() } else { rebuild() }
        settleNodes()
        tellCluster()
    }

    private func followOwnNode() {
        do { try updateMTU() } catch {
            // Tried again with all that concerns the host.
            note(.host, "the host's network can't be read: \(error)")
        }
    }

    /// Of objects that are gone nothing is told any more.
    private func forgetPolicies(_ changes: [ResourceChange]) {
        guard settings.cluster != nil else { return }
        for change in changes {
            switch change {
            case .networkPolicy(let reference, nil), .skeinNetworkPolicy(let reference, nil),
                .clusterNetworkPolicy(let reference, nil):
                outbox.forget(reference)
            default: break
            }
        }
    }

    /// Compiles what has changed and switches the kernel to it.
    ///
    /// When this throws, the kernel still holds the last policy that went in whole, while the compiler is ahead of it:
    /// from then on only a rebuild brings them together again.
    func applyPolicy(collecting: Bool = false) throws {
        let datapath = try requireDatapath()
        let changeset = policy.commit(collecting: collecting)
        guard !changeset.isEmpty else { return tellPolicies() }
        do {
            for cookie in policy.takeRenamedCookies(of: changeset) { try datapath.resetRuleHits(cookie) }
            try writeNewNodes(to: datapath)
            let report = try datapath.apply(changeset)
            logger.debug("policy applied", metadata: ["writes": "\(report.writes)", "removed": "\(report.removed)"])
            tellPolicies()
        } catch {
            fellBehind(error)
            throw error
        }
    }

    /// `applyPolicy()` for callers whose own work does not depend on it. A kernel that has fallen behind is filled anew.
    func applyPolicyOrNote() {
        guard hasStarted else { return }
        if conditions[.policy] == nil {
            do { return try applyPolicy() } catch {}
        }
        rebuild()
    }

    /// Makes the kernel's tables smaller where changes have left more in them than is needed.
    package func collectPolicyGarbage() {
        guard conditions[.policy] == nil, datapath != nil, policy.hasGarbage else { return }
        do { try applyPolicy(collecting: true) } catch { rebuild() }
    }

    /// Fills a fresh set of maps with all that is wanted and moves every endpoint over to it, as a restart does. When
    /// that fails, too, the old set stays in force. Not more than once a second, as it is long work.
    package func rebuild() {
        guard hasStarted, clock.milliseconds() - lastRebuild >= 1_000 else { return }
        do {
            try load()
            note(.policy, nil)
            tellCluster()
        } catch {
            fellBehind(error)
        }
    }

    func fellBehind(_ error: any Error) {
        let problem = "the kernel keeps the last policy that fitted: \(error)"
        note(.policy, problem)
        tellPolicies(problem)
    }

    /// Makes a datapath for all that is wanted. Until the first endpoint is attached to it nothing that is live changes.
    func load() throws {
        lastRebuild = clock.milliseconds()
        // Until the fresh set is live, what the kernel reports is in the old one's numbers.
        var recompiled = policy
        recompiled.recompile()
        let changeset = recompiled.commit()
        // A fresh set's counters begin at nothing.
        _ = recompiled.takeRenamedCookies(of: changeset)
        let fresh = try makeDatapath(overlay)
        for (number, address) in recompiled.tunnels.takeAll() { try fresh.setNode(number, address) }
        _ = try fresh.apply(changeset)
        let ready = endpointTable.all.filter { $0.state == .ready }
        for record in ready {
            guard let ifindex = record.ifindex else { continue }
            try bind(record, ifindex: ifindex, to: fresh, recompiled)
        }
        policy = recompiled
        datapath = fresh
        tellPolicies()
        for record in ready { attachAgain(record, to: fresh) }
        // Before all connections are judged again: what the old programs say until then is not to last.
        applyMasquerade(afresh: true)
        try fresh.finishStart(denyingOn: settings.denyListFolder == nil ? nil : settings.denyListDevice)
        applyDenyLists()
    }

    /// One endpoint that can't be attached must not keep the others from it: the program on its veth, if there is one,
    /// goes on enforcing what it did.
    private func attachAgain(_ record: EndpointRecord, to datapath: any DatapathControl) {
        do { try datapath.attach(record.number) } catch {
            logger.error(
                "endpoint can't be attached",
                metadata: ["endpoint": "\(record.number)", "pod": "\(record.podText)", "error": "\(error)"])
        }
    }

    /// What went wrong, in the API's words.
    nonisolated func apiError(_ error: any Error, _ what: String) -> APIError {
        switch error {
        case let error as APIError: error
        case let error as AddressPoolError:
            APIError(code: APIError.Code.exhausted, message: "\(what): \(error)", retryable: true)
        case let error as DatapathError:
            if error.isMapFull {
                APIError(code: APIError.Code.exhausted, message: "\(what): \(error)", retryable: true)
            } else {
                APIError(code: APIError.Code.kernel, message: "\(what): \(error)", retryable: true)
            }
        default: APIError(code: APIError.Code.kernel, message: "\(what): \(error)", retryable: true)
        }
    }
}
