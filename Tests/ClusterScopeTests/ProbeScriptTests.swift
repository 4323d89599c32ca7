// SPDX-License-Identifier: Apache-2.0
import Foundation
import KubeTestSupport
import Subprocess
import Testing

@testable import ClusterScope

@Suite(.enabled(if: ["bash", "curl"].allSatisfy { FileManager.default.isExecutableFile(atPath: "/usr/bin/\($0)") }))
struct ProbeScriptTests {
    @Test func `the script asks all questions in every round`() async throws {
        // The second round asks at once: only the first two are let run.
        let script = ProbeScript.text.replacing("while :; do", with: "while [ $round -lt 2 ]; do")
        #expect(script != ProbeScript.text)
        try await FakeServer.with(answer: { _ in .status(400, "BadRequest") }) { server in
            let questions = [
                Question(target: .service, kind: .tcp, address: "127.0.0.1", port: UInt16(server.port)),
                Question(target: .service, kind: .tcp, address: "127.0.0.1", port: 1),
                Question(target: .service, kind: .udp, address: "127.0.0.1", port: 1),
                Question(target: .service, kind: .tcp, address: "::1", port: 1),
            ]
            let result = try await run(
                .name("bash"), arguments: ["-c", script],
                environment: .inherit.updating(["QUESTIONS": ProbeScript.variable(questions)]),
                output: .string(limit: 1 << 16), error: .string(limit: 1 << 16))
            #expect(result.standardError == "")
            let log = ProbeLog(result.standardOutput)
            #expect(log.complete.map(\.number) == [1, 2])
            for round in log.complete { #expect(round.answers == [0: .yes, 1: .no, 2: .no, 3: .no]) }
        }
    }
}
