// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel

/// Holds a folder of pins for one agent, whatever its run directory and its network namespace are: two that share one
/// would each take the other's programs off. Free again when the value is gone, or its process.
package final class PinLock: Sendable {
    private let folder: OwnedFD

    /// Makes and mounts what is missing.
    ///
    /// - Parameter directory: as in `DatapathConfiguration.pinDirectory`.
    /// - Throws: `PinsBusy` when another process has it.
    package init(_ directory: String) throws {
        try PinPaths(root: directory).makeFolders()
        let folder = try OwnedFD.open(directory, O_RDONLY | O_DIRECTORY)
        guard try folder.lock(directory) else { throw PinsBusy(directory: directory) }
        self.folder = folder
    }
}

/// Another agent has its programs and maps in this folder.
package struct PinsBusy: Error, CustomStringConvertible {
    package let directory: String

    package var description: String {
        "another skein-agent has its programs and maps in \(directory): stop it first, or give this one another --bpffs"
    }
}
