// SPDX-License-Identifier: Apache-2.0
import Kernel
import TestSupport

/// A node that is wired by the `bridge` and `host-local` plugins of containernetworking-plugins, without policy: what
/// Skein is compared with.
final class BridgePeer {
    private let plugins: String
    private let directory: TemporaryDirectory
    let node: TestNamespace

    /// - Parameter state: where `host-local` keeps its folder.
    init(plugins: String, state: String = "/tmp") throws {
        self.plugins = plugins
        directory = try TemporaryDirectory(in: state)
        node = try TestNamespace()
    }

    func environment(_ command: String, _ id: String, _ pod: TestNamespace) -> [String: String] {
        [
            "CNI_COMMAND": command, "CNI_CONTAINERID": id, "CNI_NETNS": pod.path, "CNI_IFNAME": "eth0",
            "CNI_PATH": plugins, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        ]
    }

    var configuration: String {
        """
        {"cniVersion": "1.0.0", "name": "bench", "type": "bridge", "bridge": "bench0", "isGateway": true,
         "ipam": {"type": "host-local", "dataDir": "\(directory.path)", "routes": [{"dst": "0.0.0.0/0"}],
                  "ranges": [[{"subnet": "10.88.0.0/16"}]]}}
        """
    }

    /// Seconds from start to exit.
    func call(_ command: String, _ id: String, _ pod: TestNamespace) throws -> Double {
        let environment = environment(command, id, pod)
        return try node.run {
            try TimedProcess.run(plugins + "/bridge", environment: environment, input: configuration)
        }
    }
}
