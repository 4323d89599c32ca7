// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Logging

/// One candidacy: does what the machine says, with a clock and an API server.
struct LeaderSession: Sendable {
    private let elector: LeaderElector
    private var machine: LeaderElection
    private let start = ContinuousClock.now
    private var failures = 0
    /// A write was sent, and nothing says that the lease is not ours since.
    private var mayHold = false

    init(_ elector: LeaderElector) {
        self.elector = elector
        machine = LeaderElection(elector.settings, seed: .random(in: .min ... .max), now: .zero)
    }

    private var now: Duration { start.duration(to: .now) }

    /// For one request: what hangs, as a connection may whose other end is gone, leaves time for one more.
    private var patience: Duration { elector.settings.renewDeadline / 2 }

    /// Returns once we lead. Throws only `CancellationError`.
    mutating func acquire() async throws {
        while !machine.isLeading {
            try await step(machine.next(now: now))
        }
    }

    /// Returns once we lead no more, or when it is cancelled.
    mutating func renew() async {
        while machine.isLeading, !Task.isCancelled {
            try? await step(machine.next(now: now))
        }
    }

    /// Lets others have it at once, also after a write whose answer never came. Not stopped by cancellation, but takes two seconds at most.
    mutating func release() async {
        guard mayHold else { return }
        mayHold = false
        let (elector, version) = (elector, machine.ownVersion)
        let released = Task {
            try await withTimeLimit(.seconds(2)) { try await elector.release(version) }
        }
        do {
            try await released.value
        } catch {
            elector.logger.info("the lease could not be released", metadata: ["kube.error": "\(error)"])
        }
        machine = LeaderElection(elector.settings, seed: .random(in: .min ... .max), now: now)
    }

    private mutating func step(_ action: LeaderElection.Action) async throws {
        switch action {
        case .wait(let until): try await Task.sleep(until: start + until, clock: .continuous)
        case .giveUp: break
        case .read:
            await attempt(within: patience) { [elector] in
                try await elector.client.find(
                    KubeLease.resource, elector.lease.name, namespace: elector.lease.namespace)
            } then: { session, lease, _ in
                session.machine.observed(lease.map { LeaderElection.Record($0) }, now: session.now)
            }
        case .create:
            await write(transitions: 0, within: patience) { elector, spec in
                try await elector.create(spec)
            }
        case .take(let version, let transitions):
            await write(transitions: transitions + 1, within: patience) { elector, spec in
                try await elector.write(spec, resourceVersion: version)
            }
        case .renew(let version, let deadline):
            await write(transitions: nil, within: min(deadline - now, patience)) { elector, spec in
                try await elector.write(spec, resourceVersion: version)
            }
        }
        try Task.checkCancellation()
    }

    /// `transitions` nil: nothing but the time is written.
    private mutating func write(
        transitions: Int?, within limit: Duration,
        _ request: @escaping @Sendable (LeaderElector, KubeLease.Spec) async throws -> KubeLease
    ) async {
        mayHold = true
        let time = microTimestamp(Date())
        let spec = KubeLease.Spec(
            holderIdentity: elector.settings.identity,
            leaseDurationSeconds: Int(elector.settings.leaseDuration.components.seconds),
            acquireTime: transitions == nil ? nil : time, renewTime: time, leaseTransitions: transitions)
        await attempt(within: limit) { [elector] in
            try await request(elector, spec)
        } then: { session, lease, started in
            session.machine.wrote(resourceVersion: lease.metadata.resourceVersion, started: started)
        }
    }

    private mutating func attempt<Value: Sendable>(
        within limit: Duration, _ request: @escaping @Sendable () async throws -> Value,
        then succeed: (inout LeaderSession, Value, _ started: Duration) -> Void
    ) async {
        let started = now
        let server = elector.client.transport.currentServer
        do {
            let value = try await withTimeLimit(limit, request)
            failures = 0
            succeed(&self, value, started)
        } catch {
            if Task.isCancelled { return }
            failures += 1
            // The transport has waited too short a time to know.
            if error is TimeLimitExceeded { elector.client.transport.abandonServer(server) }
            let kubeError = error as? KubeError
            // A lease that vanished, or was made by another in between, has to be read again like one that changed.
            let isConflict = kubeError.map { $0.isConflict || $0.isAlreadyExists || $0.isNotFound } ?? false
            elector.logger.log(
                level: isConflict || failures > 1 ? .info : .debug, "the lease can't be read or written",
                metadata: ["kube.error": "\(error)", "kube.failures": "\(failures)"])
            if isConflict { mayHold = false }
            // Whoever has waited for an answer does not wait once more before the next try.
            machine.failed(isConflict ? .conflict : .other, now: isConflict ? now : started)
        }
    }
}

extension LeaderElector {
    /// Makes the lease nobody's, if it is ours; `version` is the last one that we know of.
    fileprivate func release(_ version: String?) async throws {
        var version = version
        while true {
            do {
                if let version {
                    let spec = KubeLease.Spec(
                        holderIdentity: "", leaseDurationSeconds: 1, renewTime: microTimestamp(Date()))
                    _ = try await write(spec, resourceVersion: version)
                    return
                }
            } catch let error as KubeError {
                guard error.isConflict else { throw error }
            }
            let current = try await client.find(KubeLease.resource, lease.name, namespace: lease.namespace)
            guard let current, current.spec?.holderIdentity == settings.identity else { return }
            version = current.metadata.resourceVersion
        }
    }

    fileprivate func create(_ spec: KubeLease.Spec) async throws -> KubeLease {
        try await client.create(
            KubeLease.resource,
            KubeLease(metadata: ObjectMeta(name: lease.name, namespace: lease.namespace), spec: spec),
            namespace: lease.namespace)
    }

    /// Changes what `spec` names, if the lease is still in that version.
    fileprivate func write(_ spec: KubeLease.Spec, resourceVersion: String) async throws -> KubeLease {
        struct Changes: Encodable {
            struct Metadata: Encodable {
                let resourceVersion: String
            }

            let metadata: Metadata
            let spec: KubeLease.Spec
        }
        return try await client.patch(
            KubeLease.resource, lease.name, namespace: lease.namespace,
            changes: Changes(metadata: .init(resourceVersion: resourceVersion), spec: spec))
    }
}

extension LeaderElection.Record {
    fileprivate init(_ lease: KubeLease) {
        self.init(
            holder: lease.spec?.holderIdentity, duration: .seconds(lease.spec?.leaseDurationSeconds ?? 0),
            transitions: lease.spec?.leaseTransitions ?? 0, resourceVersion: lease.metadata.resourceVersion)
    }
}
