// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import NetTypes

/// What the CNI plugin printed.
package struct PluginOutcome: Sendable {
    /// nil: it took too long.
    package let exit: ChildProcess.Exit?
    package let output: String
    package let errors: String
    /// From `began` until it had ended.
    package let duration: Duration

    /// Waits for the plugin's end.
    package init(
        of child: ChildProcess, since began: ContinuousClock.Instant = .now, timeout: Duration = .seconds(60)
    ) {
        exit = child.wait(timeout: timeout)
        duration = ContinuousClock.now - began
        output = child.output
        errors = child.errors
    }

    package var isSuccess: Bool { exit == .code(0) }
    package var result: PluginResult? { decode(PluginResult.self) }
    package var error: PluginError? { decode(PluginError.self) }

    private func decode<Value: Decodable>(_ type: Value.Type) -> Value? {
        try? JSONDecoder().decode(type, from: Data(output.utf8))
    }
}

/// The result of ADD as far as tests read it (CNI specification, section 5).
package struct PluginResult: Decodable, Hashable, Sendable {
    package struct Interface: Decodable, Hashable, Sendable {
        package let name: String
        package let mac: String?
        package let mtu: UInt32?
        package let sandbox: String?
    }

    package struct Address: Decodable, Hashable, Sendable {
        package let version: String?
        package let address: String
        package let gateway: String?
        package let interface: Int?
    }

    package struct Route: Decodable, Hashable, Sendable {
        package let dst: String
        package let gw: String?
    }

    package let cniVersion: String
    package let interfaces: [Interface]
    package let ips: [Address]
    package let routes: [Route]?
}

package struct PluginError: Decodable, Hashable, Sendable {
    package let cniVersion: String
    package let code: Int
    package let msg: String
    package let details: String?
}

/// The plugin failed where it should not have.
package struct PluginFailure: Error, CustomStringConvertible {
    package let command: String
    package let outcome: PluginOutcome

    package init(_ command: String, _ outcome: PluginOutcome) {
        self.command = command
        self.outcome = outcome
    }

    package var description: String {
        "CNI \(command) ended with \(outcome.exit.map(\.description) ?? "nothing"): \(outcome.output)\(outcome.errors)"
    }
}

/// One call of the real plugin with the environment and standard input that containerd gives it.
package struct PluginCall: Sendable {
    package var command: String
    package var containerID = ""
    package var netns = ""
    package var interface = "eth0"
    package var arguments = ""
    package var cniVersion = "1.1.0"
    /// nil: the node's agent's.
    package var socket: String?
    /// JSON members behind those that every call has, as "\"prevResult\": {}".
    package var members: [String] = []

    package init(_ command: String) { self.command = command }

    package var environment: [String: String] {
        var environment = [
            "CNI_COMMAND": command, "CNI_PATH": "/opt/cni/bin", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        ]
        guard !containerID.isEmpty else { return environment }
        environment["CNI_CONTAINERID"] = containerID
        environment["CNI_NETNS"] = netns
        environment["CNI_IFNAME"] = interface
        environment["CNI_ARGS"] = arguments
        return environment
    }

    package func input(for node: TestNode) -> String {
        let own = [
            "\"cniVersion\": \"\(cniVersion)\"", "\"name\": \"\(Self.network)\"", "\"type\": \"skein-cni\"",
            "\"socket\": \"\(socket ?? node.socket)\"", "\"runDirectory\": \"\(node.runDirectory)\"",
        ]
        return "{" + (own + members).joined(separator: ", ") + "}"
    }

    package static let network = "skein-test"

    /// Starts the plugin in the node's network.
    package func start(on node: TestNode) throws -> ChildProcess {
        let input = Array(input(for: node).utf8)
        return try node.namespace.run {
            try ChildProcess(try Programs.cni, environment: environment, input: input)
        }
    }

    /// Runs the plugin in the node's network.
    package func run(on node: TestNode) throws -> PluginOutcome {
        let began = ContinuousClock.now
        return PluginOutcome(of: try start(on: node), since: began)
    }
}

extension TestPod {
    /// A call for this pod.
    package func call(_ command: String, cniVersion: String = "1.1.0") -> PluginCall {
        var call = PluginCall(command)
        call.containerID = containerID
        call.netns = namespace.path
        call.cniVersion = cniVersion
        var arguments = [
            "IgnoreUnknown=1", "K8S_POD_NAMESPACE=\(podNamespace)", "K8S_POD_NAME=\(name)",
            "K8S_POD_INFRA_CONTAINER_ID=\(containerID)", "K8S_POD_UID=\(uid)",
        ]
        if !labels.isEmpty {
            let pairs = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            arguments.append("SKEIN_LABELS=" + pairs.joined(separator: ","))
        }
        call.arguments = arguments.joined(separator: ";")
        return call
    }

    private var uid: String {
        let digits = Array(containerID.prefix(32))
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(digits[$0]) }.joined(separator: "-")
    }

    /// ADD, however it ends; the addresses of a result become the pod's.
    @discardableResult
    package func tryAdd(cniVersion: String = "1.1.0") throws -> PluginOutcome {
        let outcome = try call("ADD", cniVersion: cniVersion).run(on: node)
        take(outcome)
        return outcome
    }

    /// Takes over the addresses of a result.
    package func take(_ outcome: PluginOutcome) {
        guard outcome.isSuccess, let result = outcome.result else { return }
        setAddresses(result.ips.compactMap { Prefix($0.address)?.address })
    }

    /// ADD; throws if it fails.
    @discardableResult
    package func add(cniVersion: String = "1.1.0") throws -> PluginResult {
        let outcome = try tryAdd(cniVersion: cniVersion)
        guard outcome.isSuccess, let result = outcome.result else {
            throw PluginFailure("ADD", outcome)
        }
        return result
    }

    /// DEL; throws if it fails.
    package func del() throws {
        let outcome = try call("DEL").run(on: node)
        guard outcome.isSuccess else { throw PluginFailure("DEL", outcome) }
    }

    /// CHECK with what an ADD has printed.
    package func check(_ previous: String) throws -> PluginOutcome {
        var call = call("CHECK")
        call.members = ["\"prevResult\": \(previous)"]
        return try call.run(on: node)
    }
}

extension TestNode {
    /// GC: keeps these pods' endpoints only.
    package func collectGarbage(keeping pods: [TestPod]) throws -> PluginOutcome {
        var call = PluginCall("GC")
        let list = pods.map { "{\"containerID\": \"\($0.containerID)\", \"ifname\": \"eth0\"}" }
        call.members = ["\"cni.dev/valid-attachments\": [\(list.joined(separator: ", "))]"]
        return try call.run(on: self)
    }

    /// STATUS.
    package func pluginStatus() throws -> PluginOutcome { try PluginCall("STATUS").run(on: self) }

    /// VERSION.
    package func pluginVersion() throws -> PluginOutcome { try PluginCall("VERSION").run(on: self) }
}
