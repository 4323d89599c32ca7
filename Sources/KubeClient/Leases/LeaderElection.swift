// SPDX-License-Identifier: Apache-2.0

/// How a leader is elected with a Lease.
package struct LeaderElectionSettings: Hashable, Sendable {
    /// Who we are: different for every process, also after a restart.
    package var identity: String
    /// After how long without a sign of the leader another one may take over. Whole seconds.
    package var leaseDuration: Duration = .seconds(15)
    /// After how long without success the leader gives up. Less than ``leaseDuration`` by what its work needs to end, and
    /// by what clocks may differ in speed.
    package var renewDeadline: Duration = .seconds(10)
    /// Between tries.
    package var retryPeriod: Duration = .seconds(2)
    /// The random part of ``retryPeriod``, 0 to 1.
    package var jitter = 0.3

    package init(identity: String) {
        self.identity = identity
    }

    /// nil: they make sense together.
    package var problem: String? {
        if identity.isEmpty { return "identity is empty" }
        if leaseDuration < .seconds(1) { return "leaseDuration is less than a second" }
        if renewDeadline >= leaseDuration { return "renewDeadline is not less than leaseDuration" }
        if retryPeriod * 2 > renewDeadline { return "retryPeriod leaves no second try before renewDeadline" }
        return nil
    }
}

/// Who leads, as far as we can know: what is read and written is told to it, what to do next comes out. It does nothing
/// itself; times are those of the caller's monotonic clock, from any start.
///
/// Clocks of different machines are never compared: the leader has until the lease has not changed for its duration, seen
/// from here.
struct LeaderElection: Sendable {
    /// What a lease says.
    struct Record: Equatable, Sendable {
        /// nil: nobody.
        var holder: String?
        var duration: Duration
        var transitions: Int
        var resourceVersion: String
    }

    enum Action: Equatable, Sendable {
        /// Until then there is nothing to do.
        case wait(until: Duration)
        case read
        /// There is no lease: make one that is ours.
        case create
        /// Make it ours, if it is still in this version.
        case take(resourceVersion: String, transitions: Int)
        /// Say that we are still there. The answer is of no use after `deadline`.
        case renew(resourceVersion: String, deadline: Duration)
        /// We lead no more.
        case giveUp
    }

    enum Failure: Equatable, Sendable {
        /// Somebody else wrote, or it is gone: what we know of the lease is old.
        case conflict
        case other
    }

    private enum State: Equatable {
        /// `lease` nil: not read yet.
        case following(next: Duration, lease: Seen?)
        case leading(next: Duration, renewed: Duration, resourceVersion: String)
    }

    private struct Seen: Equatable {
        /// nil: there is none.
        var record: Record?
        /// When it was first like this.
        var since: Duration
        /// Read since the last wait.
        var isFresh: Bool
    }

    let settings: LeaderElectionSettings
    private var state: State
    private var generator: SeededGenerator

    init(_ settings: LeaderElectionSettings, seed: UInt64, now: Duration) {
        self.settings = settings
        generator = SeededGenerator(seed: seed)
        state = .following(next: now, lease: nil)
    }

    var isLeading: Bool {
        if case .leading = state { true } else { false }
    }

    /// Who leads by what was read last; nil: nobody, or not known.
    var leader: String? {
        switch state {
        case .following(_, let lease): lease?.record?.holder
        case .leading: settings.identity
        }
    }

    /// The version to release; nil if there is nothing to release.
    var ownVersion: String? {
        if case .leading(_, _, let version) = state { version } else { nil }
    }

    /// When leading ends unless the lease is renewed before.
    var deadline: Duration? {
        if case .leading(_, let renewed, _) = state { renewed + settings.renewDeadline } else { nil }
    }

    mutating func next(now: Duration) -> Action {
        switch state {
        case .leading(let next, let renewed, let version):
            let deadline = renewed + settings.renewDeadline
            if now >= deadline {
                state = .following(next: now, lease: nil)
                return .giveUp
            }
            if now < next { return .wait(until: min(next, deadline)) }
            return .renew(resourceVersion: version, deadline: deadline)
        case .following(let next, let lease):
            if now < next { return .wait(until: next) }
            guard let lease, lease.isFresh else { return .read }
            guard let record = lease.record else { return .create }
            if isFree(record, since: lease.since, now: now) {
                return .take(resourceVersion: record.resourceVersion, transitions: record.transitions)
            }
            state = .following(
                next: retry(after: now), lease: Seen(record: record, since: lease.since, isFresh: false))
            return self.next(now: now)
        }
    }

    /// What the lease says; nil: there is none.
    mutating func observed(_ record: Record?, now: Duration) {
        guard case .following(let next, let lease) = state else { return }
        let isSame = lease.map { $0.record == record } ?? false
        let since = isSame ? lease?.since ?? now : now
        state = .following(next: next, lease: Seen(record: record, since: since, isFresh: true))
    }

    /// Created, taken or renewed; `started` is when the request was sent, for the server may have counted from then.
    mutating func wrote(resourceVersion: String, started: Duration) {
        state = .leading(next: retry(after: started), renewed: started, resourceVersion: resourceVersion)
    }

    /// Reading or writing failed. A leader that meets a conflict leads no more: somebody else has the lease, or nobody.
    mutating func failed(_ failure: Failure, now: Duration) {
        switch state {
        case .following(_, let lease):
            var lease = lease
            lease?.isFresh = false
            state = .following(next: failure == .conflict ? now : retry(after: now), lease: lease)
        case .leading(_, let renewed, let version):
            switch failure {
            // In the past, so that the next step gives up.
            case .conflict:
                state = .leading(next: now, renewed: now - settings.renewDeadline, resourceVersion: version)
            case .other: state = .leading(next: retry(after: now), renewed: renewed, resourceVersion: version)
            }
        }
    }

    private func isFree(_ record: Record, since: Duration, now: Duration) -> Bool {
        guard let holder = record.holder, !holder.isEmpty, holder != settings.identity else { return true }
        return now >= since + record.duration
    }

    private mutating func retry(after now: Duration) -> Duration {
        now + Backoff.shortened(settings.retryPeriod, by: settings.jitter, using: &generator)
    }
}
