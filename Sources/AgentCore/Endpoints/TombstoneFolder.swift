// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
import Kernel

/// Notes of the CNI plugin about endpoints that were deleted while no agent answered.
package struct TombstoneFolder: Sendable {
    private let runDirectory: String

    package init(runDirectory: String) {
        self.runDirectory = runDirectory
    }

    package var path: String { Tombstone.directory(in: runDirectory) }

    /// Takes every note: its file is removed first, so that what it asks for is done by whoever removed it, and once.
    /// Unreadable notes are removed too.
    package func take() throws -> [Tombstone] {
        var taken: [Tombstone] = []
        for name in try Directory.namesIfThere(in: path) where !name.hasPrefix(".") {
            let file = "\(path)/\(name)"
            guard let bytes = try AtomicFile.readIfThere(file) else { continue }
            guard let tombstone = try? Tombstone(decoding: bytes) else {
                try AtomicFile.remove(file)
                continue
            }
            if tombstone.takeBack(in: runDirectory) { taken.append(tombstone) }
        }
        return taken
    }
}
