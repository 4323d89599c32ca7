// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// The command for people and scripts; all that it knows comes from the agent of this node.
@main
struct Skein: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "skein",
        abstract: "Look at the pod network of this node, and ask why a connection is allowed or refused.",
        discussion: """
            Exit codes: 0 success; 1 the agent refused the request or knows no such object; 2 the agent can't be \
            reached; 3 `skein status` found the agent not ready; 64 wrong usage.
            """,
        subcommands: [
            Status.self, EndpointCommand.self, IdentityCommand.self, PolicyCommand.self, Monitor.self,
            MapCommand.self, DenyListCommand.self,
        ])
}
