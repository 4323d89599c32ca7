// SPDX-License-Identifier: Apache-2.0
import Logging
import Synchronization

/// The errors that there are now. Each is logged once when it appears and once when it is gone, not each time that
/// its file is read.
final class ErrorLedger: Sendable {
    private let current = Mutex<[ManifestError]>([])
    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
    }

    var errors: [ManifestError] { current.withLock { $0 } }

    func replace(with errors: [ManifestError]) {
        let old = current.withLock { current in
            defer { current = errors }
            return current
        }
        let oldComplaints = Set(old.map(\.complaint))
        let complaints = Set(errors.map(\.complaint))
        for error in errors where !oldComplaints.contains(error.complaint) {
            logger.warning("manifest error", metadata: Self.metadata(error))
        }
        for error in old where !complaints.contains(error.complaint) {
            logger.notice("manifest error resolved", metadata: Self.metadata(error))
        }
    }

    private static func metadata(_ error: ManifestError) -> Logger.Metadata {
        var metadata: Logger.Metadata = ["error": "\(error)", "manifest.file": "\(error.file)"]
        if error.line > 0 { metadata["manifest.line"] = "\(error.line)" }
        if let object = error.object { metadata["manifest.object"] = "\(object)" }
        return metadata
    }
}
