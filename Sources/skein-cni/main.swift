// SPDX-License-Identifier: Apache-2.0

// skein-cni: run by the container runtime, which speaks in the environment and on standard input and reads one JSON
// document from standard output (https://www.cni.dev/docs/spec/). All of it is in CNIPlugin.

import CNIPlugin
import Glibc

// A runtime that has gone away must not end the plugin in the middle of a step.
signal(SIGPIPE, SIG_IGN)

let outcome = Plugin(wiring: LinuxWiring()).run(
    environment: StandardStreams.environment, input: StandardStreams.readInput)
let written = outcome.output.isEmpty || StandardStreams.writeOutput(outcome.output + "\n")
exit(written ? outcome.exitCode : 1)
