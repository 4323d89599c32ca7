// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// The command for people and scripts; what it knows comes from the agent of this node. What is
/// asked of a cluster, `skein-cluster` answers: with what that links, this would start half as fast.
@main
struct Skein: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "skein",
        abstract: "Look at the pod network of this node or cluster, and ask why a connection is allowed or refused.",
        discussion: """
            Exit codes: 0 success; 1 the agent or the API server refused the request or knows no such object, or \
            something in the cluster is not well (`skein status --cluster`, `skein connectivity test`); 2 the agent, or \
            the API server, can't be reached; 3 `skein status` found the agent not ready; 64 wrong usage.
            """,
        subcommands: [
            Status.self, EndpointCommand.self, IdentityCommand.self, PolicyCommand.self, Monitor.self,
            MapCommand.self, DenyListCommand.self, ConnectivityCommand.self, SysdumpCommand.self,
        ])
}
