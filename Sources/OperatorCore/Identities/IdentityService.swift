// SPDX-License-Identifier: Apache-2.0
package import FoundationEssentials
package import KubeClient
package import Logging
import ServiceLifecycle

/// Deletes identities that nobody uses, for as long as it runs. One run, by the leader.
package struct IdentityService: Service {
    private let client: APIClient
    private let loop: WorkLoop<IdentityMachine>
    private let wallClock: @Sendable () -> Date
    private let logger: Logger

    package init(
        _ client: APIClient, grace: Duration, limit: Int = 16, wallClock: @escaping @Sendable () -> Date = { Date() },
        logger: Logger
    ) {
        self.client = client
        loop = WorkLoop(IdentityMachine(grace: grace), limit: limit)
        self.wallClock = wallClock
        self.logger = logger
    }

    package func deliver(_ batch: ReflectorBatch<IdentityRecord>) {
        let wall = wallClock()
        loop.update { machine, now in
            for change in batch.changes {
                switch change {
                case .changed(let record):
                    guard let number = record.number else {
                        logger.warning(
                            "a SkeinIdentity is not named by a number", metadata: ["name": "\(record.metadata.name)"])
                        continue
                    }
                    machine.identityChanged(
                        number, uid: record.metadata.uid, version: record.metadata.resourceVersion,
                        age: record.mark.map { Self.age(of: $0, at: wall) }, now: now)
                case .deleted(let key), .undecodable(let key, _):
                    // One that can't be understood is not ours to delete.
                    if let number = UInt32(key.name) { machine.identityDeleted(number) }
                }
            }
            if batch.phase == .initialEnd { machine.identitiesLoaded(now: now) }
        }
    }

    package func deliver(_ batch: ReflectorBatch<SliceUse>) {
        loop.update { machine, now in
            for change in batch.changes {
                switch change {
                case .changed(let slice): machine.sliceChanged(slice.metadata.name, slice.identities, now: now)
                case .deleted(let key): machine.sliceDeleted(key.name, now: now)
                case .undecodable(let key, _): machine.sliceUnreadable(key.name)
                }
            }
            if batch.phase == .initialEnd { machine.slicesLoaded(now: now) }
        }
    }

    /// A time that is none, or lies in the future, counts as now.
    private static func age(of mark: String, at now: Date) -> Duration {
        guard let date = try? Date.ISO8601FormatStyle().parse(mark) else { return .zero }
        return .seconds(max(now.timeIntervalSince(date), 0))
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown { await loop.run { await perform($0) } }
    }

    private func perform(_ work: IdentityMachine.Work) async -> IdentityMachine.Outcome? {
        do {
            switch work {
            case .mark(let name, _, let version):
                try await annotate(name, version, timestamp(wallClock()))
            case .unmark(let name, _, let version):
                try await annotate(name, version, nil)
            case .delete(let name, let uid, let version):
                try await client.delete(
                    IdentityRecord.resource, name, preconditions: .init(uid: uid, resourceVersion: version))
                logger.info("an unused identity is deleted", metadata: ["identity": "\(name)"])
            }
            return .done
        } catch {
            if Task.isCancelled { return nil }
            let failure = WriteFailure(error)
            if let problem = failure.problem {
                logger.warning("an identity can't be collected", metadata: ["error": "\(problem)"])
            }
            return .failure(failure)
        }
    }

    private func annotate(_ name: String, _ version: String, _ value: String?) async throws {
        try await client.patch(
            IdentityRecord.resource, name,
            changes: AnnotationPatch(version: version, key: IdentityRecord.markKey, value: value))
    }
}
