// SPDX-License-Identifier: Apache-2.0
import AgentCore
import AgentIPC
import Glibc
import Logging
import Model
import NetTypes
import Synchronization

/// A folder that is gone with its owner.
final class TemporaryFolder: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/skein-agent-test-XXXXXX".utf8CString)
        let made = unsafe template.withUnsafeMutableBufferPointer { buffer -> String? in
            guard let start = buffer.baseAddress, let made = unsafe mkdtemp(start) else { return nil }
            return unsafe String(cString: made)
        }
        guard let made else { preconditionFailure("no temporary folder: errno \(errno)") }
        path = made
    }

    deinit { Self.remove(path) }

    func names(in folder: String) -> [String] { Self.names("\(path)/\(folder)").sorted() }

    private static func names(_ path: String) -> [String] {
        guard let stream = unsafe opendir(path) else { return [] }
        defer { unsafe _ = closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func remove(_ path: String) {
        for name in names(path) { remove("\(path)/\(name)") }
        if unsafe unlink(path) != 0 { unsafe rmdir(path) }
    }
}

/// The store of a folder that can be told to refuse.
final class FailingStore: EndpointStoring {
    struct Refusal: Error {}

    private let store: EndpointStore
    private let saves = Mutex(Int.max)

    init(_ directory: RunDirectory) {
        store = EndpointStore(directory: directory.endpoints)
    }

    /// So many saves work, the next ones don't.
    func allowSaves(_ count: Int) { saves.withLock { $0 = count } }

    func save(_ record: EndpointRecord) throws {
        try saves.withLock { left in
            guard left > 0 else { throw Refusal() }
            if left != .max { left -= 1 }
        }
        try store.save(record)
    }

    func remove(_ key: EndpointKey) throws { try store.remove(key) }
    func remove(_ file: UnreadableEndpoint) throws { try store.remove(file) }
    func load() throws -> (records: [EndpointRecord], unreadable: [UnreadableEndpoint]) { try store.load() }
}

/// An agent on values, and all that surrounds it. Several agents after each other can work on one.
final class TestNode: Sendable {
    let folder = TemporaryFolder()
    let kernel = FakeKernel()
    let host = FakeHost()
    let store: FailingStore
    let directory: RunDirectory
    private let time = Mutex<Int64>(1_000_000_000)

    init() throws {
        directory = RunDirectory(folder.path + "/run")
        try directory.prepare()
        store = FailingStore(directory)
    }

    var clock: AgentClock { AgentClock { [self] in time.withLock { $0 } } }

    func advance(seconds: Int64) { time.withLock { $0 += seconds * 1_000 } }

    func makeAgent(
        ranges: [String] = ["10.1.0.0/24", "fd00:1::/64"], endpoints: UInt16 = 100,
        masquerade: MasqueradeSettings? = nil
    ) throws -> Agent {
        var settings = AgentSettings(
            version: "test", manifests: "/manifests", podRanges: ranges.compactMap { Prefix($0) },
            runDirectory: directory, endpointLimit: endpoints)
        settings.masquerade = masquerade
        return try makeAgent(settings)
    }

    func makeAgent(_ settings: AgentSettings, reports: SourceReports = SourceReports()) throws -> Agent {
        let kernel = kernel
        return try Agent(
            settings: settings, host: host, store: store, clock: clock, logger: Self.logger, reports: reports
        ) { try FakeDatapath(kernel, overlay: $0) }
    }

    static var logger: Logger {
        var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        return logger
    }

    /// An agent that has started with these resources.
    func startAgent(_ resources: [ResourceChange] = [], endpoints: UInt16 = 100) async throws -> Agent {
        let agent = try makeAgent(endpoints: endpoints)
        try await agent.start(resources)
        return agent
    }

    /// All that the plugin does for ADD.
    @discardableResult
    func addPod(
        _ name: String, to agent: Agent, labels: [String: String]? = nil, uid: String? = nil
    ) async throws -> AllocateReply {
        let reply = try await agent.allocate(Self.request(name, labels: labels, uid: uid))
        try await agent.attach(Self.key(name), ifindex: host.addLink(reply.hostInterface))
        return reply
    }

    static func key(_ name: String) -> EndpointKey { EndpointKey(containerID: "container-\(name)", interface: "eth0") }

    static func request(
        _ name: String, labels: [String: String]? = nil, uid: String? = nil, network: String = "skein"
    ) -> AllocateRequest {
        AllocateRequest(
            containerID: key(name).containerID, interface: "eth0", netns: "/run/netns/\(name)", network: network,
            podNamespace: "default", podName: name, podUID: uid, labels: labels)
    }
}

extension ResourceChange {
    static func pod(
        _ name: String, namespace: String = "default", uid: String? = nil, labels: Labels = [:],
        ports: [NamedPort] = [], addresses: [String] = [], hostNetwork: Bool = false
    ) -> ResourceChange {
        let pod = Pod(
            namespace: namespace, name: name, uid: uid, labels: labels, namedPorts: ports,
            addresses: addresses.compactMap { IPAddress($0) }, hostNetwork: hostNetwork)
        return .pod(pod.reference, pod)
    }

    static func policy(_ policy: NetworkPolicy) -> ResourceChange { .networkPolicy(policy.reference, policy) }

    /// Only pods with `app=<from>` may enter pods with `app=<to>`.
    static func allow(from: String, to: String, name: String = "allow") -> ResourceChange {
        .policy(
            NetworkPolicy(
                namespace: "default", name: name, podSelector: LabelSelector(matchLabels: ["app": to]),
                ingress: [.init(from: [.init(podSelector: LabelSelector(matchLabels: ["app": from]))])]))
    }
}
