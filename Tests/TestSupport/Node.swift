// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
package import Glibc
import Kernel
package import NetTypes
import Synchronization

/// A node of its own: a network namespace with an uplink to a host outside, folders, a bpffs, and the real agent in it.
///
/// Any number of nodes live beside each other, with the same addresses. Everything goes away with ``tearDown()`` or the
/// last reference.
package final class TestNode: Sendable {
    package static let range4 = prefix("10.244.1.0/24")
    package static let range6 = prefix("fd00:10:244:1::/64")

    private struct State {
        var agent: ChildProcess?
        var arguments: [String] = []
        var ranges = [TestNode.range4, TestNode.range6]
        /// What earlier agents have said.
        var log = ""
        var isTornDown = false
    }

    package let namespace: TestNamespace
    package let world: World
    package let directory: TemporaryDirectory
    private let state = Mutex(State())

    /// The node without an agent.
    /// - Parameter parent: where its files are.
    package init(in parent: String = "/tmp") throws {
        TestLeftovers.removeOnce()
        namespace = try TestNamespace()
        world = try World(joining: namespace)
        directory = try TemporaryDirectory(in: parent)
        do {
            try Directory.create(manifests)
            try Directory.create(bpffs)
            try BPFFS.ensureMounted(at: bpffs)
        } catch {
            tearDown()
            throw error
        }
    }

    package var runDirectory: String { directory.file("run") }
    package var socket: String { runDirectory + "/agent.sock" }
    package var manifests: String { directory.file("manifests") }
    /// Where a file system for pins is mounted, of this node alone.
    package var bpffs: String { directory.file("bpf") }
    package var pins: String { bpffs + "/skein" }

    /// A new client; each is for one thread.
    package var client: AgentClient { AgentClient(socket: socket) }

    /// What agents of this node have written to standard error.
    package var log: String { state.withLock { $0.log + ($0.agent?.errors ?? "") } }

    /// The running agent's; nil when none runs.
    package var pid: pid_t? { state.withLock { $0.agent.flatMap { $0.status == nil ? $0.pid : nil } } }

    deinit { tearDown() }

    // MARK: The agent

    /// Starts the agent in the node's namespace and waits until it serves ADD.
    ///
    /// - Parameters:
    ///   - arguments: behind those for the folders; nil: those of the last start.
    ///   - ranges: the pod ranges; nil: those of the last start.
    package func start(_ arguments: [String]? = nil, ranges: [Prefix]? = nil) throws {
        try launch(arguments, ranges: ranges)
        try waitForAgent()
    }

    /// Starts the agent without waiting.
    package func launch(_ arguments: [String]? = nil, ranges: [Prefix]? = nil) throws {
        let (arguments, ranges) = state.withLock { state in
            state.arguments = arguments ?? state.arguments
            state.ranges = ranges ?? state.ranges
            return (state.arguments, state.ranges)
        }
        let all =
            try folders + ["--manifests", manifests, "--log-level", "info"]
            + ranges.flatMap { ["--pod-cidr", $0.description] } + arguments
        let agent = try namespace.run { try ChildProcess(try Programs.agent, all) }
        state.withLock { state in
            state.log += state.agent?.errors ?? ""
            state.agent = agent
        }
    }

    private var folders: [String] {
        get throws { ["--run-dir", runDirectory, "--bpffs", pins, "--bpf-dir", try Programs.bpf] }
    }

    /// Waits until the agent serves ADD; throws with its log when it ends instead.
    package func waitForAgent(timeout: Duration = .seconds(60)) throws {
        let client = client
        let isReady = eventually(timeout: timeout, every: .milliseconds(1)) {
            pid == nil || (try? client.ready(by: .after(.seconds(5)))) != nil
        }
        guard isReady, pid != nil else {
            throw TestNodeError("the agent is not ready", node: self)
        }
    }

    /// SIGKILL; returns when it is gone.
    package func kill() throws {
        let agent = state.withLock { $0.agent }
        agent?.send(SIGKILL)
        guard agent == nil || agent?.wait(timeout: .seconds(20)) != nil else {
            throw TestNodeError("the agent survived SIGKILL", node: self)
        }
    }

    /// SIGTERM; returns when it has ended, and throws if it did not end well.
    package func stop() throws {
        guard let agent = state.withLock({ $0.agent }) else { return }
        let exit = agent.terminate(grace: .seconds(20))
        guard exit == .code(0) else {
            throw TestNodeError("the agent ended by SIGTERM with \(exit.map(\.description) ?? "nothing")", node: self)
        }
    }

    /// SIGTERM and a new start with the same arguments.
    package func restart() throws {
        try stop()
        try start()
    }

    // MARK: Manifests

    /// Writes or replaces a file of manifests in one step.
    package func write(manifest text: String, _ name: String) throws {
        try AtomicFile.write(Array(text.utf8), to: "\(manifests)/\(name).yaml", mode: 0o644)
    }

    package func remove(manifest name: String) throws {
        try AtomicFile.remove("\(manifests)/\(name).yaml")
    }

    // MARK: Programs

    /// Runs the `skein` command against this node's agent.
    package func skein(_ arguments: [String], timeout: Duration = .seconds(30)) throws -> ChildProcess.Result {
        try ChildProcess.run(try Programs.cli, arguments + ["--socket", socket], timeout: timeout)
    }

    /// Starts the `skein` command.
    package func startSkein(_ arguments: [String]) throws -> ChildProcess {
        try ChildProcess(try Programs.cli, arguments + ["--socket", socket])
    }

    // MARK: The end

    /// Ends the agent and removes everything: programs, pins, namespaces, folders. Idempotent, and complete also when the
    /// agent can't do its part.
    package func tearDown() {
        let agent = state.withLock { state -> ChildProcess?? in
            if state.isTornDown { return nil }
            state.isTornDown = true
            return .some(state.agent)
        }
        guard let agent else { return }
        if agent?.status == nil {
            agent?.send(SIGKILL)
            _ = agent?.wait(timeout: .seconds(20))
        }
        keepLog()
        // Programs go with their links: with the pins, or with the devices.
        if unsafe umount2(bpffs, Int32(MNT_DETACH)) != 0, errno != EINVAL, errno != ENOENT {
            print("cannot unmount \(bpffs): \(Errno(rawValue: errno))")
        }
        world.namespace.delete()
        namespace.delete()
    }

    /// For a look after a failure: SKEIN_LOG_DIR names a folder, which gets a file for each node.
    private func keepLog() {
        guard let folder = unsafe getenv("SKEIN_LOG_DIR") else { return }
        let path = unsafe String(cString: folder) + "/\(namespace.name).log"
        do { try AtomicFile.write(Array(log.utf8), to: path) } catch { print("cannot keep a log: \(error)") }
    }

    /// Runs `skein-agent --uninstall`.
    package func uninstall() throws -> ChildProcess.Result {
        let arguments = try folders + ["--uninstall"]
        return try namespace.run { try ChildProcess.run(try Programs.agent, arguments) }
    }
}

/// What went wrong at a node, with what its agent said last.
package struct TestNodeError: Error, CustomStringConvertible {
    package let description: String

    package init(_ text: String, node: TestNode) {
        let lines = node.log.split(separator: "\n").suffix(40)
        description = text + lines.map { "\n    agent: \($0)" }.joined()
    }
}

extension TestNode {
    /// Runs a test on a node whose agent was started, and takes everything down however it ends.
    ///
    /// - Parameter manifests: files that are there before the agent starts, by name.
    package static func with(
        _ arguments: [String] = [], ranges: [Prefix]? = nil, manifests: [String: String] = [:],
        _ body: (TestNode) throws -> Void
    ) throws {
        let node = try TestNode()
        defer { node.tearDown() }
        for (name, text) in manifests { try node.write(manifest: text, name) }
        try node.start(arguments, ranges: ranges)
        do { try body(node) } catch {
            throw TestNodeError("\(error)", node: node)
        }
    }
}
