// SPDX-License-Identifier: Apache-2.0
import Kernel
package import Logging

/// Deny lists from a folder: every `*.list` file is a group. One broken line leaves the group as it was, across
/// restarts too; a removed file removes the group.
package final class DenyListSource: Sendable {
    /// All groups by name, first as they are and then after each change. For one consumer.
    package let states: AsyncStream<[DenyGroup]>

    private static let ending = ".list"

    private let continuation: AsyncStream<[DenyGroup]>.Continuation
    private let folder: String
    private let lastGoodDirectory: String
    private let logger: Logger
    private let ledger: ErrorLedger

    /// `lastGoodDirectory` is created when needed, and belongs to this source alone.
    package init(folder: String, lastGoodDirectory: String, logger: Logger) {
        // Every element is complete, so one that was not taken yet is not worth keeping.
        (states, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
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
        let reader = FolderReader(path: folder, endings: [Self.ending], sizeLimit: 64 << 20)
        var session = try FolderSession(reader, lastGoodDirectory: lastGoodDirectory, logger: logger)
        var lists = Lists()
        var emitted: [DenyGroup]?
        try await FolderWatch.run(folder) {
            guard let news = session.look() else { return true }
            lists.apply(news)
            session.keep { lists.isWhole($0) }
            let folderErrors = news.folderError.map {
                [ManifestError(file: "", message: "the folder \(folder) can't be read: \($0)")]
            }
            ledger.replace(with: (folderErrors ?? []) + lists.errors)
            let groups = lists.groups
            if groups != emitted {
                emitted = groups
                continuation.yield(groups)
            }
            return news.isUnsettled
        }
    }

    private struct Lists {
        private var inForce: [String: DenyGroup] = [:]
        private var fileErrors: [String: [ManifestError]] = [:]

        var groups: [DenyGroup] { inForce.values.sorted { $0.name < $1.name } }

        var errors: [ManifestError] { fileErrors.values.flatMap { $0 }.sorted() }

        func isWhole(_ file: String) -> Bool { fileErrors[file]?.isEmpty ?? false }

        mutating func apply(_ news: FolderSession.News) {
            for (file, bytes) in news.lastGood where news.changed[file] != .bytes(bytes) { read(bytes, of: file) }
            for (file, content) in news.changed {
                switch content {
                case .bytes(let bytes): read(bytes, of: file)
                case .unreadable(let message): fileErrors[file] = [ManifestError(file: file, message: message)]
                }
            }
            for file in news.gone {
                inForce[file] = nil
                fileErrors[file] = nil
            }
        }

        private mutating func read(_ bytes: [UInt8], of file: String) {
            let list = DenyListParser.parse(bytes, file: file)
            fileErrors[file] = list.errors
            guard list.errors.isEmpty else { return }
            inForce[file] = DenyGroup(name: String(file.dropLast(ending.count)), prefixes: list.prefixes)
        }
    }
}
