// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterScope
import KubeClient
import Logging
import ProgramOptions

/// Which cluster is meant, and where Skein is in it.
struct ClusterOptions: ParsableArguments {
    @OptionGroup var cluster: KubeconfigOptions

    @Option(help: ArgumentHelp("Where Skein's pods are.", valueName: "namespace"))
    var skeinNamespace = "kube-system"

    /// Runs `body` with a client of the API. What goes wrong is said on standard error; then an exit code is thrown.
    func withClient<Value>(_ body: (APIClient) async throws -> Value) async throws -> Value {
        do {
            return try await APIClient.with(
                cluster.find(), options: ClientOptions(version: SkeinCluster.version),
                logger: Logger(label: "skein") { _ in SwiftLogNoOpLogHandler() }, body)
        } catch let error as KubeError {
            throw Output.failure(error)
        } catch let error as ConfigurationError {
            throw Output.failure(
                "\(error)", hint: "--kubeconfig and --context, or KUBECONFIG, say which cluster is meant")
        }
    }
}
