// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterScope
import Glibc
import KubeClient
import Logging

/// Which cluster is meant.
struct ClusterOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The cluster; else KUBECONFIG, the pod's own account, or ~/.kube/config says it.", valueName: "file"))
    var kubeconfig: String?

    @Option(help: ArgumentHelp("Of the kubeconfig, instead of its current one.", valueName: "name"))
    var context: String?

    @Option(help: ArgumentHelp("Where Skein's pods are.", valueName: "namespace"))
    var skeinNamespace = "kube-system"

    /// Runs `body` with a client of the API. What goes wrong is said on standard error; then an exit code is thrown.
    func withClient<Value>(_ body: (APIClient) async throws -> Value) async throws -> Value {
        do {
            let configuration = try ClusterConfiguration.find(
                kubeconfig: kubeconfig, context: context, environment: Self.environment)
            return try await APIClient.with(
                configuration, options: ClientOptions(version: SkeinCluster.version),
                logger: Logger(label: "skein") { _ in SwiftLogNoOpLogHandler() }, body)
        } catch let error as KubeError {
            throw Output.failure(error)
        } catch let error as ConfigurationError {
            throw Output.failure(
                "\(error)", hint: "--kubeconfig and --context, or KUBECONFIG, say which cluster is meant")
        }
    }

    /// What of the environment says where the cluster is.
    static var environment: [String: String] {
        var result: [String: String] = [:]
        for name in ["KUBECONFIG", "HOME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"] {
            result[name] = unsafe getenv(name).map { unsafe String(cString: $0) }
        }
        return result
    }
}

/// Whole seconds or minutes: 90, 90s, 15m.
func parseTime(_ text: String) throws -> Duration {
    let units: [Character: Int64] = ["s": 1, "m": 60]
    let unit = text.last.flatMap { units[$0] }
    guard let number = Int64(unit == nil ? text : String(text.dropLast())), (1...86_400).contains(number) else {
        throw ValidationError("\"\(text)\" is not a time such as 90s or 5m")
    }
    return .seconds(number * (unit ?? 1))
}
