// SPDX-License-Identifier: Apache-2.0
import KubeClient
import Logging
package import Model
import Synchronization

/// The API server will not have this identity, whatever is done: trying again is of no use.
package struct IdentityRefused: Error, CustomStringConvertible {
    package let labels: SecurityLabels
    package let reason: String

    package var description: String { "no identity for \(labels): \(reason)" }
}

/// Finds and makes SkeinIdentities. The object's name is the number, so a number has one set of labels; and all who look
/// for a number of the same labels look at the same numbers in the same order, so they end with one.
final class IdentityDirectory: Sendable {
    private struct Learned {
        let number: IdentityNumber
        let since: ContinuousClock.Instant
    }

    private let client: APIClient
    private let store: ClusterStore
    private let settings: ClusterSettings
    private let logger: Logger
    private let flights = Flights<SecurityLabels>()
    /// From the API server's answers, until the watch shows it.
    private let learned = Mutex<[SecurityLabels: Learned]>([:])
    private let learnedLimit: Duration

    init(
        _ client: APIClient, _ store: ClusterStore, _ settings: ClusterSettings, logger: Logger,
        learnedLimit: Duration = .seconds(60)
    ) {
        self.client = client
        self.store = store
        self.settings = settings
        self.logger = logger
        self.learnedLimit = learnedLimit
    }

    /// Throws ``IdentityRefused`` or `CancellationError`.
    func number(of labels: SecurityLabels) async throws -> IdentityNumber {
        while true {
            if let number = known(labels) { return number }
            let number = try await flights.join(labels) {
                let number = try await self.obtain(labels)
                self.learn(number, labels)
                return number
            }
            if let number { return number }
        }
    }

    private func known(_ labels: SecurityLabels) -> IdentityNumber? {
        if let number = store.read({ $0.identities.number(of: labels) }) {
            learned.withLock { _ = $0.removeValue(forKey: labels) }
            return number
        }
        return learned.withLock { learned in
            guard let entry = learned[labels] else { return nil }
            // The watch should have shown it by now: it is gone.
            guard entry.since.duration(to: .now) < learnedLimit else {
                learned[labels] = nil
                return nil
            }
            return entry.number
        }
    }

    private func learn(_ number: IdentityNumber, _ labels: SecurityLabels) {
        learned.withLock { $0[labels] = Learned(number: number, since: .now) }
    }

    private func obtain(_ labels: SecurityLabels) async throws -> IdentityNumber {
        var probe = IdentityProbe(labels)
        var failures = 0
        var generator = SystemRandomNumberGenerator()
        while true {
            if let number = known(labels) { return number }
            do {
                // Always asked, though the watch may know who has the number: it may be behind, and whoever skips a number
                // that another tries ends with another one.
                switch try await claim(probe.number, labels) {
                case .ours: return probe.number
                case .vanished: continue
                case .others: break
                }
                guard probe.advance() else {
                    throw IdentityRefused(labels: labels, reason: "all numbers are taken")
                }
                failures = 0
            } catch let error as KubeError {
                if let status = error.status, status.code == 400 || status.code == 422 {
                    throw IdentityRefused(labels: labels, reason: "\(status)")
                }
                failures += 1
                logger.log(
                    level: failures == 1 ? .info : .warning, "an identity could not be made yet",
                    metadata: ["labels": "\(labels)", "error": "\(error)", "kube.failures": "\(failures)"])
                try await Task.sleep(for: settings.backoff.delay(attempt: failures, using: &generator))
            }
        }
    }

    private enum Claim {
        case ours
        case others
        /// It was there, and then it was not.
        case vanished
    }

    private func claim(_ number: IdentityNumber, _ labels: SecurityLabels) async throws -> Claim {
        do {
            _ = try await client.create(SkeinIdentity.resource, SkeinIdentity(number: number, labels: labels.flat))
            return .ours
        } catch let error as KubeError where error.isAlreadyExists {
            guard let found = try await client.find(SkeinIdentity.resource, "\(number)") else { return .vanished }
            return found.spec.labels == labels.flat ? .ours : .others
        }
    }

    // MARK: Those that are in use here

    /// Makes identities again that are gone although endpoints of this node have them: the number must not come to stand
    /// for something else. `labels` are what the numbers stood for. Returns those that stand for something else already.
    func restore(_ labels: [IdentityNumber: SecurityLabels]) async throws -> [IdentityNumber] {
        var lost: [IdentityNumber] = []
        for (number, labels) in labels.sorted(by: { $0.key < $1.key }) {
            logger.warning(
                "an identity in use was deleted: making it again",
                metadata: ["identity": "\(number)", "labels": "\(labels)"])
            while true {
                switch try await claim(number, labels) {
                case .ours: break
                case .vanished: continue
                case .others: lost.append(number)
                }
                break
            }
        }
        return lost
    }
}

/// The numbers to try for some labels, in the order that every node keeps.
struct IdentityProbe: Hashable, Sendable {
    private(set) var number: IdentityNumber
    private let first: IdentityNumber

    init(_ labels: SecurityLabels) {
        first = IdentityAllocator.preferredNumber(of: labels)
        number = first
    }

    /// False when all have been tried.
    mutating func advance() -> Bool {
        let range = IdentityAllocator.range
        number = number == range.upperBound ? range.lowerBound : number + 1
        return number != first
    }
}
