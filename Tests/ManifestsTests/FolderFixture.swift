// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import Logging
import Synchronization
import Testing

@testable import Manifests

/// A folder for manifests and one for last good versions; both are removed at the end, also after a failure.
final class FolderFixture: Sendable {
    let root: String
    let manifests: String
    let lastGood: String
    let log = RecordedLog()

    init() throws {
        var template = Array("/tmp/skein-manifests-XXXXXX".utf8CString)
        try retrying("mkdtemp") { unsafe mkdtemp(&template) == nil ? -1 : 0 }
        root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        manifests = root + "/manifests"
        lastGood = root + "/run/last-good"
        try Directory.create(manifests)
    }

    deinit {
        try? Directory.removeTree(root)
    }

    var logger: Logger { Logger(label: "test") { [log] _ in RecordingHandler(log: log) } }

    /// Writes in place, as a shell's redirection does. `name` may lead into a subfolder.
    func write(_ text: String, to name: String) throws {
        let file = try OwnedFD.open("\(manifests)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
        try file.writeAll(Array(text.utf8))
    }

    /// Writes beside and renames over, as editors do.
    func replace(_ name: String, with text: String) throws {
        try write(text, to: ".new-\(name)")
        try move(".new-\(name)", to: name)
    }

    /// "" is the folder itself, "../x" is beside it.
    func move(_ name: String, to target: String) throws {
        let (old, new) = (path(name), path(target))
        try retrying("rename", old) { unsafe rename(old, new) }
    }

    func delete(_ name: String) throws {
        let path = path(name)
        try retrying("unlink", path) { unsafe unlink(path) }
    }

    func makeFolder(_ name: String) throws {
        try Directory.create(path(name))
    }

    func link(_ name: String, to target: String) throws {
        let path = path(name)
        try retrying("symlink", path) { unsafe symlink(target, path) }
    }

    private func path(_ name: String) -> String {
        if name.isEmpty { return manifests }
        return name.hasPrefix("../") ? "\(root)/\(name.dropFirst(3))" : "\(manifests)/\(name)"
    }
}

/// What was logged, as "level: message: error or kind".
final class RecordedLog: Sendable {
    private let storage = Mutex<[String]>([])

    var lines: [String] { storage.withLock { $0 } }

    func add(_ line: String) {
        storage.withLock { $0.append(line) }
    }
}

private struct RecordingHandler: LogHandler {
    let log: RecordedLog
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let detail = event.metadata?["error"] ?? event.metadata?["manifest.kind"] ?? ""
        log.add("\(event.level): \(event.message): \(detail)")
    }
}

/// Waits for a state that is to come; fails after ten seconds.
func eventually(
    _ comment: String, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () throws -> Bool
) async throws {
    for _ in 0..<2000 {
        if try condition() { return }
        try await Task.sleep(for: .milliseconds(5))
    }
    Issue.record("never came: \(comment)", sourceLocation: sourceLocation)
}
