// SPDX-License-Identifier: Apache-2.0
package import FoundationEssentials
package import KubeClient

/// Collects what helps to find out what is wrong with a cluster's Skein. What can't be had does not end it: it is named
/// in `summary.txt`.
package struct Sysdump: Sendable {
    package struct Settings: Sendable {
        /// Skein's.
        package var namespace: String
        /// Of each log, from its end.
        package var logLines = 20_000
        package var logBytes = 8 << 20
        /// Of the program.
        package var version: String

        package init(namespace: String, version: String) {
            self.namespace = namespace
            self.version = version
        }
    }

    package struct Summary: Hashable, Sendable {
        package var files: [String] = []
        /// What could not be collected, and why.
        package var missing: [String] = []
    }

    private let client: APIClient
    private let settings: Settings
    private let say: @Sendable (String) -> Void

    package init(_ client: APIClient, settings: Settings, say: @escaping @Sendable (String) -> Void) {
        self.client = client
        self.settings = settings
        self.say = say
    }

    /// Throws if `sink` does, if the task is cancelled, or if nobody answers at all.
    package func run(into sink: inout some DumpSink, began: Date = Date()) async throws -> Summary {
        var summary = Summary()
        let version = try await client.bytes(at: "/version")
        try add("version.json", version, to: &sink, &summary)
        try await status(into: &sink, &summary)
        let slices = await attempt("EndpointSlices", &summary) { try await client.endpointSlices() } ?? nil
        for item in DumpPlan(namespace: settings.namespace, endpointSlices: slices).items {
            say(item.file)
            do {
                try add(item.file, try await list(item), to: &sink, &summary)
            } catch let error as KubeError {
                if !(item.isOptional && error.isNotFound) { summary.missing.append("\(item.file): \(error)") }
            }
        }
        try await logs(into: &sink, &summary)
        summary.missing.append(
            "agents' own status, endpoints and maps: they answer on their nodes only "
                + "(`skein status`, `skein endpoint list`, `skein map list` there)")
        try sink.add("summary.txt", Array(text(summary, began: began).utf8))
        try sink.finish()
        return summary
    }

    private func add(
        _ path: String, _ contents: [UInt8], to sink: inout some DumpSink, _ summary: inout Summary
    ) throws {
        try sink.add(path, contents)
        summary.files.append(path)
    }

    /// nil, and noted, if the API server refuses.
    private func attempt<Value>(
        _ what: String, _ summary: inout Summary, _ body: () async throws -> Value
    ) async -> Value? {
        do {
            return try await body()
        } catch {
            summary.missing.append("\(what): \(error)")
            return nil
        }
    }

    private func status(into sink: inout some DumpSink, _ summary: inout Summary) async throws {
        let facts = await attempt("status", &summary) {
            try await ClusterFacts.read(client, namespace: settings.namespace)
        }
        try Task.checkCancellation()
        guard let facts else { return }
        let status = ClusterStatus(facts)
        try add("status.txt", Array((status.page + "\n").utf8), to: &sink, &summary)
        try add("status.json", try Self.pretty(status), to: &sink, &summary)
    }

    // MARK: Objects

    private func list(_ item: DumpPlan.Item) async throws -> [UInt8] {
        let selection = ObjectSelection(namespace: item.namespace)
        var items: [[UInt8]] = []
        if item.isRedacted {
            items = try await client.all(Resource<KubeDocument>(item.kind), selection).map {
                try Self.pretty(Redaction.apply($0.json))
            }
        } else {
            items = try await client.all(.raw(item.kind), selection).map(\.json)
        }
        let head = "{\"apiVersion\":\"\(item.kind.apiVersion)\",\"kind\":\"\(item.kind.kind)List\",\"items\":[\n"
        return Array(head.utf8) + Array(items.joined(separator: Array(",\n".utf8))) + Array("\n]}\n".utf8)
    }

    private static func pretty(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }

    // MARK: Logs

    private func logs(into sink: inout some DumpSink, _ summary: inout Summary) async throws {
        let pods = await attempt("logs", &summary) {
            try await client.all(ObservedPod.resource, ObjectSelection(namespace: settings.namespace))
        }
        for pod in pods ?? [] {
            say("logs/\(pod.metadata.name)")
            for container in pod.initContainers + pod.containers {
                try await log(of: pod, container, isPrevious: false, into: &sink, &summary)
                if container.restarts > 0 {
                    try await log(of: pod, container, isPrevious: true, into: &sink, &summary)
                }
            }
        }
    }

    private func log(
        of pod: ObservedPod, _ container: ObservedPod.Container, isPrevious: Bool, into sink: inout some DumpSink,
        _ summary: inout Summary
    ) async throws {
        let file = "logs/\(pod.metadata.name)/\(container.name)\(isPrevious ? ".previous" : "").log"
        let selection = LogSelection(
            container: container.name, isPrevious: isPrevious, lines: settings.logLines, bytes: settings.logBytes)
        do {
            let bytes = try await client.log(ofPod: pod.metadata.name, namespace: settings.namespace, selection)
            try add(file, bytes, to: &sink, &summary)
        } catch let error as KubeError {
            summary.missing.append("\(file): \(error)")
        }
    }

    private func text(_ summary: Summary, began: Date) -> String {
        """
        Skein system dump, \(timestamp(began)) to \(timestamp(Date())), made by skein \(settings.version)
        Skein's namespace: \(settings.namespace)
        There are no Secrets and no ConfigMaps in it; values in containers' environments are removed.
        Of each log, at most the last \(settings.logLines) lines, and \(settings.logBytes) bytes of those.

        Collected: \(summary.files.count) files
        \(summary.files.map { "  \($0)" }.joined(separator: "\n"))

        Not collected:
        \(summary.missing.map { "  \($0)" }.joined(separator: "\n"))

        """
    }
}
