// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import CNIPlugin
import Foundation
import Glibc

/// A call of the plugin as a runtime makes it, against a fake agent and a kernel in memory.
struct PluginTestCase {
    let agent: FakeAgent
    let wiring: RecordingWiring
    var environment = [
        "CNI_CONTAINERID": "c0ffee", "CNI_NETNS": "/run/netns/a", "CNI_IFNAME": "eth0", "CNI_PATH": "/opt/cni/bin",
    ]
    /// More fields of the configuration, as JSON text that begins with a comma.
    var extra = ""
    var version = "1.1.0"
    var timeouts = Plugin.Timeouts()
    var attempt = "1a"

    static let endpoint = AttachmentReference(containerID: "c0ffee", interface: "eth0")
    static let key = "c0ffee/eth0"
    static let host = endpoint.hostInterfaceName

    init(_ agent: FakeAgent) {
        self.agent = agent
        wiring = RecordingWiring(log: agent.log)
    }

    var configuration: String {
        #"{"cniVersion":"\#(version)","name":"pods","type":"skein","socket":"\#(agent.socketPath)","#
            + #""runDirectory":"\#(agent.runDirectory)"\#(extra)}"#
    }

    func run(_ command: String) -> Plugin.Outcome {
        var environment = environment
        environment["CNI_COMMAND"] = command
        return Plugin(wiring: wiring, timeouts: timeouts, attempt: attempt)
            .run(environment: { environment[$0] }, input: { Array(configuration.utf8) })
    }

    /// The code in an error's JSON, nil for other output.
    static func code(_ outcome: Plugin.Outcome) -> Int? { error(outcome)?.code }

    struct ErrorOutput: Decodable {
        let cniVersion: String
        let code: Int
        let msg: String
        let details: String?
    }

    static func error(_ outcome: Plugin.Outcome) -> ErrorOutput? {
        guard outcome.exitCode == 1 else { return nil }
        return try? JSONDecoder().decode(ErrorOutput.self, from: Data(outcome.output.utf8))
    }

    /// Names of the files in the folder of tombstones.
    var tombstones: [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: agent.runDirectory + "/deleted")) ?? []
    }
}

/// Whether `condition` came true within ten seconds.
func eventually(_ condition: () -> Bool) -> Bool {
    let end = ContinuousClock.now + .seconds(10)
    while ContinuousClock.now < end {
        if condition() { return true }
        usleep(200)
    }
    return condition()
}

/// Runs `body` with a fake agent and a kernel of its own.
func withPlugin(_ body: (inout PluginTestCase) throws -> Void) throws {
    try FakeAgent.serve { agent in
        var test = PluginTestCase(agent)
        try body(&test)
    }
}
