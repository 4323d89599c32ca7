// SPDX-License-Identifier: Apache-2.0

/// When to list, when to watch and when to wait, to follow a kind of objects: what comes in is told to it, what to do
/// next comes out. It does nothing itself and knows no clock.
struct ReflectorMachine: Equatable, Sendable {
    enum Action: Equatable, Sendable {
        case list(ListFreshness)
        case watch(from: String)
        /// Before going on; failures one after the other, from 1 on.
        case sleep(attempt: Int)
    }

    enum ListFailure: Equatable, Sendable {
        /// The version asked for is too old, or newer than what the server has.
        case unservable
        case other
    }

    enum WatchEnd: Equatable, Sendable {
        /// As a watch ends.
        case closed
        /// The version is no longer kept (410).
        case gone
        /// Nothing came for too long.
        case stalled
        case failed
    }

    private enum State: Equatable {
        case idle
        case listing(ListFreshness)
        case watching(hasProgressed: Bool)
        case sleeping(next: Next)
    }

    private enum Next: Equatable {
        case list(ListFreshness)
        case watch
    }

    private var state = State.idle
    /// Failures since something worked.
    private(set) var failures = 0
    /// Where the next watch begins; nil before the first list is complete.
    private(set) var version: String?

    /// The first action.
    mutating func start(_ freshness: ListFreshness = .any) -> Action {
        begin(.list(freshness))
    }

    /// A list is complete.
    mutating func listed(version: String) -> Action {
        guard case .listing = state else { return misuse("listed") }
        self.version = version
        // Not yet proof that all is well: a watch from here may fail again and again.
        return begin(.watch)
    }

    mutating func listFailed(_ failure: ListFailure) -> Action {
        guard case .listing(let freshness) = state else { return misuse("listFailed") }
        failures += 1
        return sleep(then: .list(failure == .unservable ? .latest : freshness))
    }

    /// An event or a bookmark of this version came in. An empty version says nothing of where to go on.
    mutating func watchProgressed(to version: String) {
        guard case .watching = state else { return }
        if !version.isEmpty { self.version = version }
        failures = 0
        state = .watching(hasProgressed: true)
    }

    /// `isBrief`: it ended at once, which healthy watches don't.
    mutating func watchEnded(_ end: WatchEnd, isBrief: Bool) -> Action {
        guard case .watching(let hasProgressed) = state else { return misuse("watchEnded") }
        switch end {
        case .gone:
            // All of it, from a cache that isn't behind what is known: that stays known until the list is complete. All
            // who watch may be told this at once, so none lists without a wait.
            failures += 1
            return sleep(then: .list(version.flatMap { $0.isEmpty ? nil : .notOlderThan($0) } ?? .latest))
        case .stalled:
            return begin(.watch)
        case .closed where hasProgressed || !isBrief:
            failures = 0
            return begin(.watch)
        case .closed, .failed:
            failures += 1
            return sleep(then: .watch)
        }
    }

    /// The wait is over.
    mutating func slept() -> Action {
        guard case .sleeping(let next) = state else { return misuse("slept") }
        return begin(next)
    }

    private mutating func begin(_ next: Next) -> Action {
        switch next {
        case .list(let freshness):
            state = .listing(freshness)
            return .list(freshness)
        case .watch:
            state = .watching(hasProgressed: false)
            return .watch(from: version ?? "")
        }
    }

    private mutating func sleep(then next: Next) -> Action {
        state = .sleeping(next: next)
        return .sleep(attempt: failures)
    }

    private func misuse(_ event: String) -> Action {
        preconditionFailure("\(event) while \(state)")
    }
}
