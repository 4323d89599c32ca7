// SPDX-License-Identifier: Apache-2.0
package import KubeClient
package import Logging
import Synchronization
package import Testing

/// Says nothing.
package let quiet: Logger = {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
}()

package struct TimedOut: Error {
    package init() {}
}

/// Waits until `condition` holds; fails after 30 seconds.
package func eventually(
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
package final class Sleeps: Sendable {
    private let durations = Mutex<[Duration]>([])

    package init() {}

    package var all: [Duration] { durations.withLock { $0 } }

    package func sleep(_ duration: Duration) async throws {
        durations.withLock { $0.append(duration) }
        try Task.checkCancellation()
        await Task.yield()
    }
}

/// What several tasks put in.
package final class Collected<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    package init() {}

    package var all: [Element] { elements.withLock { $0 } }

    package func append(_ element: Element) {
        elements.withLock { $0.append(element) }
    }
}

/// Counts what several tasks do.
package final class Counter: Sendable {
    private let count = Mutex(0)

    package init() {}

    package var value: Int { count.withLock { $0 } }

    /// The count afterwards.
    @discardableResult
    package func add(_ number: Int) -> Int {
        count.withLock { count in
            count += number
            return count
        }
    }
}

extension ClientOptions {
    package static func test(sleeps: Sleeps? = nil) -> ClientOptions {
        var options = ClientOptions(version: "0.0.0-test")
        if let sleeps { options.sleep = sleeps.sleep }
        return options
    }
}

extension ServerAddress {
    package static func loopback(_ port: Int, tls: Bool = false) -> ServerAddress {
        ServerAddress(isTLS: tls, host: "127.0.0.1", port: port)
    }
}

/// A client of a server that answers as the test says.
@discardableResult
package func withServer<Value>(
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

package func podJSON(_ name: String, version: Int, namespace: String = "default", extra: String = "") -> String {
    """
    {"apiVersion":"v1","kind":"Pod","metadata":{"name":"\(name)","namespace":"\(namespace)",\
    "resourceVersion":"\(version)"\(extra)},"spec":{"nodeName":"node-1"},"status":{"phase":"Running"}}
    """
}

package func podList(_ pods: [String], version: Int, continue token: String = "") -> String {
    """
    {"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"\(version)","continue":"\(token)"},\
    "items":[\(pods.joined(separator: ","))]}
    """
}

package func event(_ type: String, _ object: String) -> String { "{\"type\":\"\(type)\",\"object\":\(object)}\n" }

package func bookmark(_ version: Int) -> String {
    event("BOOKMARK", "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"\(version)\"}}")
}

/// An error's words; empty if there was none.
package func words(_ error: (any Error)?) -> String { error.map { "\($0)" } ?? "" }
