// SPDX-License-Identifier: Apache-2.0
package import Glibc

/// Small files that are there whole or not at all: written beside and renamed into place.
package enum AtomicFile {
    private static let temporaryPrefix = ".tmp-"

    /// Writes `bytes` to `path`, replacing what was there. A reader sees the old or the new content, never a part.
    ///
    /// `durable`: on disk before this returns, so that a power failure can't lose it. Not needed on tmpfs.
    package static func write(
        _ bytes: [UInt8], to path: String, mode: mode_t = 0o600, durable: Bool = false
    ) throws(SystemError) {
        let directory = Directory.parent(of: path)
        // A name that no other writer has, not even one of another container where process numbers are others.
        let temporary = "\(directory)/\(temporaryPrefix)\(String(UInt64.random(in: .min ... .max), radix: 36))"
        let file = try OwnedFD.open(temporary, O_WRONLY | O_CREAT | O_EXCL, mode: mode)
        do {
            let raw = file.raw
            // The umask must not decide.
            try retrying("fchmod", temporary) { fchmod(raw, mode) }
            try file.writeAll(bytes, temporary)
            if durable { try retrying("fsync", temporary) { fsync(raw) } }
            try retrying("rename", path) { unsafe rename(temporary, path) }
        } catch {
            _ = unsafe unlink(temporary)
            throw error
        }
        if durable {
            let folder = try OwnedFD.open(directory, O_RDONLY | O_DIRECTORY)
            let raw = folder.raw
            try retrying("fsync", directory) { fsync(raw) }
        }
    }

    /// The whole content. ENOENT if it isn't there.
    package static func read(_ path: String) throws(SystemError) -> [UInt8] {
        let file = try OwnedFD.open(path, O_RDONLY)
        return try file.readAll(path)
    }

    /// The whole content, nil if it isn't there.
    package static func readIfThere(_ path: String) throws(SystemError) -> [UInt8]? {
        do { return try read(path) } catch {
            guard error.errno == .noEntry else { throw error }
            return nil
        }
    }

    /// Removes a file; one that is not there is no error.
    package static func remove(_ path: String) throws(SystemError) {
        try SystemError.ignoring(.noEntry) { () throws(SystemError) in
            try retrying("unlink", path) { unsafe unlink(path) }
        }
    }

    /// True for the name of a file that a crash in ``write(_:to:mode:durable:)`` left behind, or that is being
    /// written at this moment.
    package static func isTemporary(_ name: String) -> Bool {
        name.hasPrefix(temporaryPrefix)
    }

    /// Removes what crashed writers left in a directory. Only when no other process is writing there.
    package static func removeTemporaries(in directory: String) throws(SystemError) {
        for name in try Directory.namesIfThere(in: directory) where isTemporary(name) {
            try remove("\(directory)/\(name)")
        }
    }
}
