// SPDX-License-Identifier: Apache-2.0
import Logging
import NetTypes
import Synchronization
import Testing

@testable import KubeClient

/// Says nothing.
let quiet: Logger = {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
}()

struct TimedOut: Error {}

/// Waits until `condition` holds; fails after 30 seconds.
func eventually(
    _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record(what, sourceLocation: sourceLocation)
            throw TimedOut()
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// Remembers how long it was asked to sleep, and sleeps not at all.
final class Sleeps: Sendable {
    private let durations = Mutex<[Duration]>([])

    var all: [Duration] { durations.withLock { $0 } }

    func sleep(_ duration: Duration) async throws {
        durations.withLock { $0.append(duration) }
        try Task.checkCancellation()
        await Task.yield()
    }
}

/// What several tasks put in.
final class Collected<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    var all: [Element] { elements.withLock { $0 } }

    func append(_ element: Element) {
        elements.withLock { $0.append(element) }
    }
}

/// Counts what several tasks do.
final class Counter: Sendable {
    private let count = Mutex(0)

    var value: Int { count.withLock { $0 } }

    /// The count afterwards.
    @discardableResult
    func add(_ number: Int) -> Int {
        count.withLock { count in
            count += number
            return count
        }
    }
}

extension ClientOptions {
    static func test(sleeps: Sleeps? = nil) -> ClientOptions {
        var options = ClientOptions(version: "0.0.0-test")
        if let sleeps { options.sleep = sleeps.sleep }
        return options
    }
}

extension ServerAddress {
    static func loopback(_ port: Int, tls: Bool = false) -> ServerAddress {
        ServerAddress(isTLS: tls, host: "127.0.0.1", port: port)
    }
}

/// A client of a server that answers as the test says.
@discardableResult
func withServer<Value>(
    options: ClientOptions = .test(), credentials: CredentialSource = .none,
    answer: @escaping @Sendable (FakeRequest) async throws -> FakeResponse,
    _ body: (APIClient, FakeServer) async throws -> Value
) async throws -> Value {
    try await FakeServer.with(answer: answer) { server in
        let configuration = ClusterConfiguration(servers: [.loopback(server.port)], credentials: credentials)
        return try await APIClient.with(configuration, options: options, logger: quiet) { client in
            try await body(client, server)
        }
    }
}

func podJSON(_ name: String, version: Int, namespace: String = "default", extra: String = "") -> String {
    """
    {"apiVersion":"v1","kind":"Pod","metadata":{"name":"\(name)","namespace":"\(namespace)",\
    "resourceVersion":"\(version)"\(extra)},"spec":{"nodeName":"node-1"},"status":{"phase":"Running"}}
    """
}

func podList(_ pods: [String], version: Int, continue token: String = "") -> String {
    """
    {"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"\(version)","continue":"\(token)"},\
    "items":[\(pods.joined(separator: ","))]}
    """
}

func event(_ type: String, _ object: String) -> String { "{\"type\":\"\(type)\",\"object\":\(object)}\n" }

func bookmark(_ version: Int) -> String {
    event("BOOKMARK", "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"\(version)\"}}")
}

/// An error's words; empty if there was none.
func words(_ error: (any Error)?) -> String { error.map { "\($0)" } ?? "" }
