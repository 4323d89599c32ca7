// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterScope
import Glibc
import SystemPackage

struct SysdumpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sysdump", abstract: "Collect a cluster's state and logs in one file, to send to somebody.",
        discussion: """
            Objects of Skein's kinds, network policies, services, nodes, and pods, events and logs of Skein's namespace. \
            No Secrets, no ConfigMaps, no values of environment variables. Logs hold what their programs wrote.
            """)

    @OptionGroup var cluster: ClusterOptions

    @Option(
        name: .customLong("file"),
        help: ArgumentHelp("What is made; skein-sysdump-TIME.tar here if not given.", valueName: "path"))
    var file: String?

    @Flag(help: "Make a folder instead of an archive.")
    var noArchive = false

    @Option(help: ArgumentHelp("Of each log, from its end.", valueName: "lines"))
    var logLines = 20_000

    func run() async throws {
        let now = Int64(time(nil))
        let root = "skein-sysdump-\(now)"
        let path = FilePath(file ?? (noArchive ? root : root + ".tar"))
        var settings = Sysdump.Settings(namespace: cluster.skeinNamespace, version: SkeinCluster.version)
        settings.logLines = logLines
        let summary = try await cluster.withClient { [settings] client in
            let dump = Sysdump(client, settings: settings) { Output.note($0) }
            do {
                if noArchive {
                    var sink = try FolderSink(path)
                    return try await dump.run(into: &sink)
                }
                var sink = try ArchiveSink(path, root: root, time: now)
                return try await dump.run(into: &sink)
            } catch let error as DumpError {
                throw Output.failure("\(error)")
            }
        }
        for missing in summary.missing { Output.note("not collected: \(missing)") }
        Output.line("\(path): \(summary.files.count) files")
    }
}
