// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// What `skein` becomes when it is asked of a cluster. Nobody needs to call it by its own name.
@main
struct SkeinCluster: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "skein", abstract: "Look at the pod network of a cluster.", version: version,
        subcommands: [StatusCommand.self, ConnectivityCommand.self, SysdumpCommand.self])
}
