// SPDX-License-Identifier: Apache-2.0
import Glibc
package import Kernel

/// Puts the CNI plugin where the container runtime looks for it.
package enum PluginInstallation {
    package static let name = "skein-cni"

    /// Copies the program into the folder, where it is there whole or as it was before, also for a runtime that starts it
    /// at this moment. Makes the folder if it is missing.
    ///
    /// - Returns: false if the very same one was there already.
    @discardableResult
    package static func install(_ program: String, into folder: String) throws(SystemError) -> Bool {
        let bytes = try AtomicFile.read(program)
        let path = "\(folder)/\(name)"
        try Directory.create(folder, mode: 0o755)
        // What a copy that was interrupted has left; nobody else writes such names there.
        try AtomicFile.removeTemporaries(in: folder)
        if try AtomicFile.readIfThere(path) == bytes, isExecutable(path) { return false }
        try AtomicFile.write(bytes, to: path, mode: 0o755, durable: true)
        return true
    }

    private static func isExecutable(_ path: String) -> Bool { unsafe access(path, X_OK) == 0 }
}
