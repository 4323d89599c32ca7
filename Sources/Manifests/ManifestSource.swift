// SPDX-License-Identifier: Apache-2.0
import Kernel
package import Logging
package import Model
import ObjectDecoding

/// Objects from a folder of YAML files (`*.yaml`, `*.yml`, and `*.json`, which is YAML too), as they are now and as
/// they change.
///
/// What a broken document stands for stays as it was, across restarts too; the rest of its file is applied. An error
/// is logged once, with file, line and field, and is in ``errors`` until it is resolved.
package final class ManifestSource: ResourceSource {
    package let changes: AsyncStream<[ResourceChange]>

    private let continuation: AsyncStream<[ResourceChange]>.Continuation
    private let folder: String
    private let lastGoodDirectory: String
    private let logger: Logger
    private let ledger: ErrorLedger

    /// `lastGoodDirectory` is created when needed, and belongs to this source alone.
    package init(folder: String, lastGoodDirectory: String, logger: Logger) {
        (changes, continuation) = AsyncStream.makeStream()
        self.folder = folder
        self.lastGoodDirectory = lastGoodDirectory
        self.logger = logger
        ledger = ErrorLedger(logger: logger)
    }

    /// What is wrong now, by file and line.
    package var errors: [ManifestError] { ledger.errors }

    /// Runs until cancelled, once. Throws if the folder can't be watched or the last good versions have no place;
    /// a folder that isn't there is an error in ``errors``, and is read when it comes.
    package func run() async throws {
        defer { continuation.finish() }
        let reader = FolderReader(path: folder, endings: [".yaml", ".yml", ".json"], sizeLimit: 16 << 20)
        var session = try FolderSession(reader, lastGoodDirectory: lastGoodDirectory, logger: logger)
        var state = ManifestState()
        var isFirst = true
        try await FolderWatch.run(folder) {
            guard let news = session.look() else { return true }
            let difference = apply(news, to: &state)
            session.keep { state.isWhole($0) }
            if isFirst {
                isFirst = false
                continuation.yield(state.objects.map { ResourceChange($0) })
            } else if !difference.isEmpty {
                continuation.yield(difference)
            }
            return news.isUnsettled
        }
    }

    private func apply(_ news: FolderSession.News, to state: inout ManifestState) -> [ResourceChange] {
        var base: [String: ManifestState.Update] = [:]
        // A version that is the current one will be decoded once, below.
        for (name, bytes) in news.lastGood where news.changed[name] != .bytes(bytes) {
            base[name] = .decoded(ManifestDecoder.decode(bytes, file: name))
        }
        var updates: [String: ManifestState.Update] = [:]
        for (name, content) in news.changed {
            switch content {
            case .unreadable(let message):
                updates[name] = .unreadable(message)
            case .bytes(let bytes):
                let decoded = ManifestDecoder.decode(bytes, file: name)
                if news.lastGood[name] == bytes { base[name] = .decoded(decoded) }
                updates[name] = .decoded(decoded)
                log(decoded.ignored, in: name)
            }
        }
        for name in news.gone { updates[name] = .gone }
        // Nobody has seen anything yet when there are last good versions, so there is no difference to tell.
        _ = base.isEmpty ? [] : state.apply(base)
        let difference = state.apply(updates)
        let folderErrors = news.folderError.map {
            [ManifestError(file: "", message: "the folder \(folder) can't be read: \($0)")]
        }
        ledger.replace(with: (folderErrors ?? []) + state.errors)
        return difference
    }

    private func log(_ ignored: [DecodedFile.Ignored], in file: String) {
        for document in ignored {
            logger.info(
                "manifest of a kind that is not used",
                metadata: [
                    "manifest.file": "\(file)", "manifest.line": "\(document.line)",
                    "manifest.kind": "\(document.apiVersion) \(document.kind)",
                ])
        }
    }
}
