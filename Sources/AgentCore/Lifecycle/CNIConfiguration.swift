// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import FoundationEssentials
package import Kernel

/// The file by which a container runtime knows of the plugin. As soon as it is there, nodes count as ready and pods come.
package struct CNIConfiguration: Sendable {
    package static let fileName = "10-skein.conflist"

    private struct List: Encodable {
        struct Plugin: Encodable {
            let type = "skein-cni"
            let socket: String
            let runDirectory: String
        }

        /// For runtimes that know one version only: the newest one that containerd 1.6 takes results of. Newer ones choose
        /// from the list (CNI 1.1.0, 1).
        let cniVersion = "0.4.0"
        let cniVersions = ["0.4.0", "1.0.0", "1.1.0"]
        let name = "skein"
        let plugins: [Plugin]
    }

    package let path: String
    package let text: String

    /// - Parameters:
    ///   - folder: the runtime's, usually /etc/cni/net.d.
    ///   - socket: of the agent's API.
    package init(folder: String, socket: String, runDirectory: String) throws {
        path = "\(folder)/\(Self.fileName)"
        let list = List(plugins: [List.Plugin(socket: socket, runDirectory: runDirectory)])
        text = String(decoding: try JSONText.encode(list, pretty: true), as: UTF8.self) + "\n"
    }

    /// Puts the file there, whole. One of the same content stays as it is, so that no runtime reads it again.
    package func write() throws(SystemError) {
        try Directory.create(Directory.parent(of: path), mode: 0o755)
        let bytes = Array(text.utf8)
        guard try AtomicFile.readIfThere(path) != bytes else { return }
        // Runtimes read only what ends in .conf, .conflist or .json, so not the file on its way there.
        try AtomicFile.write(bytes, to: path, mode: 0o644, durable: true)
    }
}
