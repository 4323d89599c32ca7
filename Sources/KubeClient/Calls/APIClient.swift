// SPDX-License-Identifier: Apache-2.0
package import Logging

/// Calls of the API of one cluster. Every call throws ``KubeError``, or `CancellationError`.
///
/// Close it with ``shutdown()``, once, when nothing uses it any more.
package final class APIClient: Sendable {
    let transport: Transport
    /// The namespace that the configuration names.
    package let namespace: String

    /// Connects to nobody yet. Throws NIOSSL's errors for certificates that are none.
    package init(_ configuration: ClusterConfiguration, options: ClientOptions, logger: Logger) throws {
        transport = try Transport(configuration, options: options, logger: logger)
        namespace = configuration.namespace
    }

    /// Nil: the API server answered last, whatever it said, or was not asked yet.
    package var outage: Outage? { transport.outage }

    /// Ends what is still under way.
    package func shutdown() async {
        await transport.shutdown()
    }

    /// Makes a client for the time that `body` runs.
    package static func with<Value>(
        _ configuration: ClusterConfiguration, options: ClientOptions, logger: Logger,
        _ body: (APIClient) async throws -> Value
    ) async throws -> Value {
        let client = try APIClient(configuration, options: options, logger: logger)
        do {
            let value = try await body(client)
            await client.shutdown()
            return value
        } catch {
            await client.shutdown()
            throw error
        }
    }

    /// What the server answers at any path, `/readyz` or `/version`.
    package func bytes(at path: String) async throws -> [UInt8] {
        try await transport.call(APIRequest(path: path))
    }

    func call<Value>(
        _ request: APIRequest, _ decode: ([UInt8]) throws -> Value
    ) async throws -> Value {
        let bytes = try await transport.call(request)
        do {
            return try decode(bytes)
        } catch {
            throw KubeError(.badResponse("\(error)"), request: request.name)
        }
    }
}
