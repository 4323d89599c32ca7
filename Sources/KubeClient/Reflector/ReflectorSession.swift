// SPDX-License-Identifier: Apache-2.0
import Logging

/// One run of a ``Reflector``: does what the machine says, and tells it how it went.
struct ReflectorSession<Object: KubeObject> {
    /// An error of the one who gets the batches: not ours to retry.
    private struct DeliveryFailed: Error {
        let cause: any Error
    }

    /// An ERROR event.
    private struct WatchFailed: Error {
        let status: KubeStatus
    }

    private let reflector: Reflector<Object>
    private var machine = ReflectorMachine()
    private var known = KnownObjects()
    private var generator: SeededGenerator
    private var hasInitial = false

    init(_ reflector: Reflector<Object>) {
        self.reflector = reflector
        generator = SeededGenerator(seed: reflector.settings.seed ?? .random(in: .min ... .max))
    }

    /// Throws `CancellationError`, or what `deliver` threw.
    mutating func run() async throws {
        var action = machine.start(reflector.settings.firstList)
        while true {
            try Task.checkCancellation()
            do {
                action = try await perform(action)
            } catch let error as DeliveryFailed {
                throw error.cause
            }
        }
    }

    private mutating func perform(_ action: ReflectorMachine.Action) async throws -> ReflectorMachine.Action {
        switch action {
        case .list(let freshness): return try await list(freshness)
        case .watch(let version): return try await watch(from: version)
        case .sleep(let attempt):
            let delay = reflector.settings.backoff.delay(attempt: attempt, using: &generator)
            try await reflector.client.transport.options.sleep(delay)
            return machine.slept()
        }
    }

    // MARK: List

    private mutating func list(_ freshness: ListFreshness) async throws -> ReflectorMachine.Action {
        known.beginList()
        let version: String
        do {
            version = try await reflector.client.list(
                reflector.resource, reflector.settings.selection, freshness: freshness,
                pageSize: reflector.settings.pageSize
            ) { try await receive($0) }
        } catch let error as KubeError {
            log("the list failed", error)
            let isUnservable = error.isGone || (error.status?.isVersionTooLarge ?? false)
            return machine.listFailed(isUnservable ? .unservable : .other)
        }
        let gone = known.endList().map { ObjectChange<Object>.deleted($0) }
        if !hasInitial {
            hasInitial = true
            try await deliver(gone, .initialEnd)
        } else if !gone.isEmpty {
            try await deliver(gone, .live)
        }
        return machine.listed(version: version)
    }

    private mutating func receive(_ part: ListPart<Object>) async throws {
        switch part {
        case .restarted: known.beginList()
        case .objects(let received):
            let changes = received.compactMap { one in
                known.listed(one.key, version: one.version) ? ObjectChange(one) : nil
            }
            if !changes.isEmpty { try await deliver(changes, hasInitial ? .live : .initial) }
        }
    }

    // MARK: Watch

    private mutating func watch(from version: String) async throws -> ReflectorMachine.Action {
        let start = ContinuousClock.now
        var end = ReflectorMachine.WatchEnd.closed
        do {
            try await reflector.client.watch(
                reflector.resource, reflector.settings.selection, from: version, lasting: reflector.settings.lasting,
                stall: reflector.settings.stall
            ) { try await receive($0) }
        } catch let error as WatchFailed {
            log("the watch failed", error.status)
            end = error.status.isGone ? .gone : .failed
        } catch let error as KubeError {
            switch error.cause {
            case .status(let status) where status.isGone: end = .gone
            case .timedOut: end = .stalled
            default: end = .failed
            }
            if end == .stalled {
                // Of a kind of which nothing ever changed a server sends no bookmarks either. When it is the server that is
                // silent, the next try tells.
                reflector.logger.debug("a quiet watch is begun anew", metadata: ["kube.error": "\(error)"])
            } else {
                log("the watch ended", error)
            }
        }
        return machine.watchEnded(end, isBrief: start.duration(to: .now) < reflector.settings.brief)
    }

    private mutating func receive(_ events: [WatchEvent<Object>]) async throws {
        var changes: [ObjectChange<Object>] = []
        var failure: KubeStatus?
        var version = ""
        for event in events {
            switch event {
            case .changed(let received):
                version = received.version
                if known.changed(received.key, version: version) { changes.append(ObjectChange(received)) }
            case .deleted(let key, let deletion):
                version = deletion
                if known.deleted(key) { changes.append(.deleted(key)) }
            case .bookmark(let bookmark): version = bookmark
            case .failed(let status): failure = status
            }
            if failure != nil { break }
            machine.watchProgressed(to: version)
        }
        if !changes.isEmpty { try await deliver(changes, .live) }
        if let failure { throw WatchFailed(status: failure) }
    }

    // MARK: What is told

    private func deliver(_ changes: [ObjectChange<Object>], _ phase: ReflectorBatch<Object>.Phase) async throws {
        for case .undecodable(let key, let problem) in changes {
            reflector.logger.warning(
                "an object can't be understood; what was known of it stays",
                metadata: ["kube.object": "\(key)", "kube.error": "\(problem)"])
        }
        do {
            try await reflector.deliver(ReflectorBatch(changes, phase: phase))
        } catch {
            throw DeliveryFailed(cause: error)
        }
    }

    /// The first failure is worth a line, and so is every one that others follow from.
    private func log(_ what: Logger.Message, _ problem: some CustomStringConvertible) {
        reflector.logger.log(
            level: machine.failures < 2 ? .info : .warning, what,
            metadata: ["kube.error": "\(problem)", "kube.failures": "\(machine.failures)"])
    }
}

extension ObjectChange {
    init(_ received: Received<Object>) {
        switch received {
        case .object(let object): self = .changed(object)
        case .undecodable(let key, _, let problem): self = .undecodable(key, problem: problem)
        }
    }
}
