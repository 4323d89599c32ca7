// SPDX-License-Identifier: Apache-2.0
import Kernel
import Logging

/// One run over a folder: what changed in it, and the last good version of each file.
struct FolderSession {
    struct News {
        /// With the first news only: the last good versions of before, of the files that are still there (of all
        /// files, if the folder can't be read).
        var lastGood: [String: [UInt8]] = [:]
        var changed: [String: FileContent] = [:]
        var gone: Set<String> = []
        /// Why the folder can't be read.
        var folderError: String?
        /// Look again soon.
        var isUnsettled = false
    }

    private var reader: FolderReader
    private let lastGood: LastGood
    private let logger: Logger
    private var isFirst = true
    /// How often a folder in which something is being written is looked at before its state counts as the first.
    private var patience = 40
    private var known: Set<String> = []
    /// Contents that are not kept as good, because they have errors.
    private var unkept: [String: [UInt8]] = [:]

    init(_ reader: FolderReader, lastGoodDirectory: String, logger: Logger) throws(SystemError) {
        self.reader = reader
        lastGood = try LastGood(directory: lastGoodDirectory)
        self.logger = logger
    }

    /// nil if there is nothing to be done about it yet: the first news has to be complete.
    mutating func look() -> News? {
        var news = News()
        var present: Set<String>?
        do {
            let look = try reader.look()
            if isFirst, look.isUnsettled, patience > 0 {
                patience -= 1
                // Forget it: the next look shall see all of it as changed.
                reader = reader.anew
                return nil
            }
            (news.changed, news.isUnsettled) = (look.changed, look.isUnsettled)
            present = look.present
        } catch {
            news.folderError = "\(error)"
        }
        if isFirst {
            isFirst = false
            news.lastGood = loadLastGood()
            known = Set(news.lastGood.keys)
        }
        if let present {
            news.gone = known.subtracting(present)
            known = present
            for name in news.gone {
                news.lastGood[name] = nil
                unkept[name] = nil
                attempt("forget", name) { () throws(SystemError) in try lastGood.forget(name) }
            }
        }
        for case (let name, .bytes(let bytes)) in news.changed { unkept[name] = bytes }
        return news
    }

    /// Keeps what turned out to be good.
    mutating func keep(where isWhole: (String) -> Bool) {
        for (name, bytes) in unkept where isWhole(name) {
            unkept[name] = nil
            attempt("keep", name) { () throws(SystemError) in try lastGood.keep(bytes, of: name) }
        }
    }

    private func loadLastGood() -> [String: [UInt8]] {
        do { return try lastGood.contents() } catch {
            logger.warning("last good versions can't be read", metadata: ["error": "\(error)"])
            return [:]
        }
    }

    /// Without the kept version only a restart with a broken file is worse off, so nothing stops for it.
    private func attempt(_ verb: String, _ name: String, _ body: () throws(SystemError) -> Void) {
        do { try body() } catch {
            logger.warning(
                "last good version can't be changed",
                metadata: ["manifest.file": "\(name)", "action": "\(verb)", "error": "\(error)"])
        }
    }
}
