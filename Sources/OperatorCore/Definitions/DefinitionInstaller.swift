// SPDX-License-Identifier: Apache-2.0
package import KubeClient
package import Logging

/// Brings the cluster's CRDs to our versions: makes those that are missing, replaces older ones, leaves newer ones alone,
/// and deletes none.
package struct DefinitionInstaller: Sendable {
    private let client: APIClient
    private let definitions: [Definition]
    private let logger: Logger
    private let report: @Sendable ([String]) -> Void

    /// `report` gets what keeps the CRDs from being served, each time when it changes.
    package init(
        _ client: APIClient, _ definitions: [Definition], logger: Logger,
        report: @escaping @Sendable ([String]) -> Void = { _ in }
    ) {
        self.client = client
        self.definitions = definitions
        self.logger = logger
        self.report = report
    }

    /// Returns when all are served; tries until then. Throws only `CancellationError`.
    package func install() async throws {
        var open = definitions
        var problems: [String] = []
        let backoff = Backoff(base: .milliseconds(100), limit: .seconds(10))
        var generator = SystemRandomNumberGenerator()
        var attempt = 0
        while true {
            var left: [Definition] = []
            var found: [String] = []
            for definition in open {
                do {
                    if try await step(definition) { continue }
                } catch {
                    try Task.checkCancellation()
                    found.append("\(definition.name): \(error)")
                }
                left.append(definition)
            }
            if found != problems {
                for problem in found { logger.error("a CRD can't be installed", metadata: ["error": "\(problem)"]) }
                problems = found
                report(found)
            }
            open = left
            if open.isEmpty { return }
            attempt += 1
            try await Task.sleep(for: backoff.delay(attempt: attempt, using: &generator))
        }
    }

    private struct NotServed: Error, CustomStringConvertible {
        let description: String
    }

    /// True if it is served.
    private func step(_ definition: Definition) async throws -> Bool {
        let found = try await client.find(DefinitionState.resource, definition.name)
        switch DefinitionStep(definition, found: found) {
        case .done(let newer):
            if let newer {
                logger.notice(
                    "the cluster has a newer CRD than ours, which is left alone",
                    metadata: [
                        "crd": "\(definition.name)", "version": "\(newer)", "ours": "\(definition.version)",
                    ])
            }
            return true
        case .wait(let problem):
            if let problem { throw NotServed(description: problem) }
            return false
        case .apply(let old):
            var object = definition.object
            if let old {
                object["metadata"]["uid"] = .string(old.uid)
                object["metadata"]["resourceVersion"] = .string(old.resourceVersion)
            }
            do {
                try await client.apply(
                    DefinitionState.resource, definition.name, object, manager: PodRangeService.manager, force: true)
            } catch let error as KubeError where error.isConflict {
                // It changed in between: looked at again.
                return false
            }
            logger.notice(
                old == nil ? "a CRD is installed" : "a CRD is upgraded",
                metadata: ["crd": "\(definition.name)", "version": "\(definition.version)"])
            return false
        }
    }
}
