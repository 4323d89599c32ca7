// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
package import KubeClient

/// Which cluster is meant.
package struct KubeconfigOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The cluster; else KUBECONFIG, the pod's own account, or ~/.kube/config says it.", valueName: "file"))
    var kubeconfig: String?

    @Option(help: ArgumentHelp("Of the kubeconfig, instead of its current one.", valueName: "name"))
    var context: String?

    package init() {}

    /// Where its API servers are, and how to log in; throws `ConfigurationError`.
    package func find() throws -> ClusterConfiguration {
        try ClusterConfiguration.find(
            kubeconfig: kubeconfig, context: context, environment: ClusterEnvironment.current())
    }
}

/// What of a process's environment says where the cluster is.
package enum ClusterEnvironment {
    package static func current() -> [String: String] {
        var result: [String: String] = [:]
        for name in ["KUBECONFIG", "HOME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"] {
            if let value = unsafe getenv(name) { result[name] = unsafe String(cString: value) }
        }
        return result
    }
}
