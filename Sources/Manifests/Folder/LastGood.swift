// SPDX-License-Identifier: Apache-2.0
import Kernel

/// Keeps the last version of each file that had no error, so that a restart finds in force what was in force even
/// if the file is broken by then. A folder with one file for each, under the same name.
struct LastGood: Sendable {
    private let directory: String

    /// Creates the folder if it isn't there.
    init(directory: String) throws(SystemError) {
        self.directory = directory
        try Directory.create(directory)
        try AtomicFile.removeTemporaries(in: directory)
    }

    /// By the file's name.
    func contents() throws(SystemError) -> [String: [UInt8]] {
        var contents: [String: [UInt8]] = [:]
        for name in try Directory.names(in: directory) where !name.hasPrefix(".") {
            contents[name] = try AtomicFile.readIfThere(path(name))
        }
        return contents
    }

    /// No effect if that is what is kept already.
    func keep(_ bytes: [UInt8], of name: String) throws(SystemError) {
        if try AtomicFile.readIfThere(path(name)) == bytes { return }
        try AtomicFile.write(bytes, to: path(name))
    }

    func forget(_ name: String) throws(SystemError) {
        try AtomicFile.remove(path(name))
    }

    private func path(_ name: String) -> String { "\(directory)/\(name)" }
}
