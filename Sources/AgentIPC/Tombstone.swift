// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A note to an agent that is away: this endpoint was deleted, or what one attempt to add it had reserved is given back. One
/// file each in `deleted` of the run directory.
///
/// The plugin writes it when it can't reach the agent. The agent takes it by unlinking the file first and removing the
/// endpoint then, before it serves another request for that endpoint; an ADD that finds the file takes it back the same
/// way and deletes at the agent itself. Whoever unlinks it does the work, so it is done once. Files whose names begin
/// with a dot are unfinished and to be ignored.
package struct Tombstone: Hashable, Codable, Sendable {
    package var containerID: String
    package var interface: String
    /// nil: whoever has added it. Else it is deleted only if this attempt was the last one, see ``ReleaseRequest``.
    package var attempt: String?

    package init(_ endpoint: AttachmentReference, attempt: String? = nil) {
        self.attempt = attempt
        containerID = endpoint.containerID
        interface = endpoint.interface
    }

    package var endpoint: AttachmentReference {
        AttachmentReference(containerID: containerID, interface: interface)
    }

    /// The folder of tombstones in the run directory.
    package static func directory(in runDirectory: String) -> String { runDirectory + "/deleted" }

    /// "<container id>-<interface>.json"; what could be mistaken for that hyphen, or for a hidden or nested file, is
    /// escaped, so that no two endpoints share a name. With an attempt it has another one, as it says less than a deletion.
    package var fileName: String {
        var escaped = ""
        for scalar in interface.unicodeScalars {
            switch scalar {
            case "-": escaped += "%2D"
            case "%": escaped += "%25"
            case "/": escaped += "%2F"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return "\(containerID)-\(escaped)\(attempt.map { "%." + $0 } ?? "").json"
    }

    /// Of whose file `fileName` is the name, when it says nothing of an attempt; nil if it is no such name.
    package static func endpoint(ofFile fileName: String) -> AttachmentReference? {
        guard fileName.hasSuffix(".json"), let hyphen = fileName.lastIndex(of: "-"), hyphen > fileName.startIndex else {
            return nil
        }
        let escaped = fileName[fileName.index(after: hyphen)...].dropLast(".json".count)
        guard let interface = APIPath.decode(escaped) else { return nil }
        let endpoint = AttachmentReference(containerID: String(fileName[..<hyphen]), interface: interface)
        return Tombstone(endpoint).fileName == fileName ? endpoint : nil
    }

    /// Writes the file, and the folders above it where missing. A second time changes nothing.
    /// - Throws: ``TombstoneError``.
    package func write(in runDirectory: String) throws(TombstoneError) {
        let directory = Self.directory(in: runDirectory)
        let temporary = "\(directory)/.\(fileName)"
        for folder in [runDirectory, directory] where unsafe mkdir(folder, 0o700) != 0 && errno != EEXIST {
            throw TombstoneError(path: folder, errno: errno)
        }
        let fd = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw TombstoneError(path: temporary, errno: errno) }
        let bytes = json.bytes
        let written = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(fd, $0.baseAddress, $0.count) }
        let error = written < 0 ? errno : ENOSPC
        close(fd)
        guard written == bytes.count else {
            unsafe unlink(temporary)
            throw TombstoneError(path: temporary, errno: error)
        }
        let path = "\(directory)/\(fileName)"
        guard unsafe rename(temporary, path) == 0 else { throw TombstoneError(path: path, errno: errno) }
    }

    /// Removes the file. True: it was there, and what it says is now the caller's to do.
    package func takeBack(in runDirectory: String) -> Bool {
        unsafe unlink("\(Self.directory(in: runDirectory))/\(fileName)") == 0
    }

    /// Reads a tombstone's contents.
    package init(decoding bytes: [UInt8]) throws(JSONError) {
        try self.init(json: JSONValue(parsing: bytes))
    }
}

/// A tombstone could not be written.
package struct TombstoneError: Error, Hashable, Sendable, CustomStringConvertible {
    package let path: String
    package let errno: Int32

    package init(path: String, errno: Int32) {
        self.path = path
        self.errno = errno
    }

    package var description: String {
        guard let text = unsafe strerror(errno) else { return "\(path): errno \(errno)" }
        return unsafe "\(path): \(String(cString: text))"
    }
}
