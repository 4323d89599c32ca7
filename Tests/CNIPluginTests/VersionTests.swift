// SPDX-License-Identifier: Apache-2.0
import CNIPlugin
import Testing

@Suite struct VersionTests {
    private func run(_ command: String, _ input: String) throws -> Plugin.Outcome {
        let plugin = Plugin(wiring: RecordingWiring(log: EventLog()))
        return plugin.run(environment: { $0 == "CNI_COMMAND" ? command : nil }, input: { Array(input.utf8) })
    }

    @Test(arguments: [
        (#"{"cniVersion":"1.0.0"}"#, "1.0.0"), (#"{"cniVersion":"0.1.0","x":1}"#, "0.1.0"), ("", "1.1.0"),
        (" \n", "1.1.0"), ("{}", "1.1.0"),
    ])
    func `VERSION lists what is supported`(input: String, version: String) throws {
        let outcome = try run("VERSION", input)
        #expect(
            outcome.output
                == #"{"cniVersion":"\#(version)","supportedVersions":["0.3.1","0.4.0","1.0.0","1.1.0"]}"#)
        #expect(outcome.exitCode == 0)
    }

    @Test(arguments: ["{", "[]", #"{"cniVersion":1}"#, #"{"cniVersion":"1.0.0"} x"#])
    func `VERSION refuses what is no configuration`(input: String) throws {
        #expect(PluginTestCase.code(try run("VERSION", input)) == 6)
    }

    @Test func `an error has the configuration's version`() throws {
        let outcome = try run("STATUS", #"{"cniVersion":"0.4.0","name":"a"}"#)
        #expect(
            outcome.output
                == #"{"cniVersion":"0.4.0","code":1,"msg":"cniVersion 0.4.0 has no STATUS, it came with 1.1.0"}"#)
        #expect(outcome.exitCode == 1)
    }

    @Test func `an error has the newest version where the configuration's is not known`() throws {
        let outcome = try run("STATUS", #"{"cniVersion":"7.0.0","name":"a"}"#)
        #expect(
            outcome.output == #"{"cniVersion":"1.1.0","code":1,"details":"supported: 0.3.1, 0.4.0, 1.0.0, 1.1.0","#
                + #""msg":"cniVersion \"7.0.0\" is not supported"}"#)
    }

    @Test func `the environment is judged before the input is read`() throws {
        let plugin = Plugin(wiring: RecordingWiring(log: EventLog()))
        struct Unexpected: Error {}
        let outcome = plugin.run(environment: { _ in nil }, input: { throw Unexpected() })
        #expect(PluginTestCase.code(outcome) == 4)
    }

    @Test func `input that can't be read is an I-O failure`() throws {
        let plugin = Plugin(wiring: RecordingWiring(log: EventLog()))
        struct Broken: Error {}
        let outcome = plugin.run(
            environment: { $0 == "CNI_COMMAND" ? "VERSION" : nil }, input: { throw Broken() })
        #expect(PluginTestCase.code(outcome) == 5)
    }
}
