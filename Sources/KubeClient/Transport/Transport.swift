// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import FoundationEssentials
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization

/// Sends requests to whichever server works, as whom the credentials say.
final class Transport: Sendable {
    private struct Server {
        /// In front of every path.
        let base: String
        let address: ServerAddress
        let client: HTTPClient
    }

    let options: ClientOptions
    let logger: Logger
    private let servers: [Server]
    private let ring: Mutex<ServerRing>
    private let credentials: CredentialProvider
    private let tls: ClusterTLS
    /// The last identity that came with a credential, made ready.
    private let issued = Mutex<(identity: ClusterTLS.Identity, configuration: TLSConfiguration)?>(nil)
    private let generator = Mutex(SystemRandomNumberGenerator())
    private let state = Mutex<Outage?>(nil)

    /// Nil: some server answered last, or nobody was asked yet.
    var outage: Outage? { state.withLock { $0 } }

    init(_ configuration: ClusterConfiguration, options: ClientOptions, logger: Logger) throws {
        precondition(!configuration.servers.isEmpty, "a cluster has at least one server")
        self.options = options
        self.logger = logger
        tls = configuration.tls
        credentials = CredentialProvider(configuration.credentials, logger: logger)
        ring = Mutex(ServerRing(count: configuration.servers.count))
        let tlsConfiguration = try TLSConfiguration.client(configuration.tls, identity: configuration.tls.identity)
        servers = configuration.servers.map { address in
            // One client for each, so that one host name can stand for several addresses.
            var http = HTTPClient.Configuration()
            http.tlsConfiguration = tlsConfiguration
            http.httpVersion = .http1Only
            http.redirectConfiguration = .disallow
            http.timeout.connect = TimeAmount(options.connectTimeout)
            // Every watch holds a connection for as long as it lasts.
            http.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
            // Another server may do better than another try.
            http.connectionPool.retryConnectionEstablishment = false
            if let name = configuration.tls.serverName { http.dnsOverride[name] = address.host }
            return Server(
                base: address.url(as: configuration.tls.serverName), address: address,
                client: HTTPClient(eventLoopGroupProvider: .singleton, configuration: http))
        }
    }

    func shutdown() async {
        for server in servers {
            do {
                try await server.client.shutdown()
            } catch {
                logger.debug("the HTTP client did not shut down cleanly", metadata: ["kube.error": "\(error)"])
            }
        }
    }

    /// The index of the one that is asked first.
    var currentServer: Int { ring.withLock { $0.current } }

    /// The server that answered last is not to be asked next, if there is another.
    func abandonServer() {
        ring.withLock { $0.failed($0.current) }
    }

    /// This one is not to be asked next, if there is another.
    func abandonServer(_ server: Int) {
        ring.withLock { $0.failed(server) }
    }

    /// The head of a response that means success; its body follows. Retries what the server puts off, and what it refused
    /// for a credential that could be replaced.
    func open(_ request: APIRequest) async throws -> HTTPClientResponse {
        var attempt = 1
        var credential = try await credential(request) { try await $0.credential() }
        var isReplaced = false
        while true {
            let response = try await send(request, credential: credential)
            if (200...299).contains(response.status.code) { return response }
            let status = try await readStatus(of: response, request)
            if response.status == .unauthorized, !isReplaced {
                isReplaced = true
                let refused = credential
                if let next = try await self.credential(request, { try await $0.replacement(for: refused) }) {
                    credential = next
                    continue
                }
            }
            guard attempt < options.attempts, let wait = waitAsked(by: response, status, attempt: attempt) else {
                throw KubeError(.status(status), request: request.name)
            }
            logger.debug(
                "the API server puts a request off",
                metadata: ["kube.request": "\(request.name)", "kube.wait": "\(wait)"])
            try await options.sleep(wait)
            attempt += 1
        }
    }

    private func credential<Value>(
        _ request: APIRequest, _ get: (CredentialProvider) async throws -> Value
    ) async throws -> Value {
        do {
            return try await get(credentials)
        } catch let error as CancellationError {
            throw error
        } catch {
            throw KubeError(.credentials("\(error)"), request: request.name)
        }
    }

    /// nil: the answer is final.
    private func waitAsked(by response: HTTPClientResponse, _ status: KubeStatus, attempt: Int) -> Duration? {
        let asked = response.headers.first(name: "retry-after").flatMap { Int($0) } ?? status.details?.retryAfterSeconds
        guard response.status == .tooManyRequests || response.status.code >= 500 && asked != nil else { return nil }
        guard let asked else {
            return generator.withLock { options.backoff.delay(attempt: attempt, using: &$0) }
        }
        let wait = Duration.seconds(max(asked, 0))
        return wait <= options.maximumRetryAfter ? wait : nil
    }

    private func readStatus(of response: HTTPClientResponse, _ request: APIRequest) async throws -> KubeStatus {
        let code = Int(response.status.code)
        // A status that can't be read is still an answer.
        let bytes = try? await withTimeLimit(options.requestTimeout) {
            Array(try await response.body.collect(upTo: 1 << 20).readableBytesView)
        }
        try Task.checkCancellation()
        if var status = bytes.flatMap({ try? decodeJSON(KubeStatus.self, from: $0) }) {
            if status.code == 0 { status.code = code }
            return status
        }
        let text = String(decoding: (bytes ?? []).prefix(200), as: UTF8.self).trimmingSpaces
        return KubeStatus(code: code, message: text.isEmpty ? response.status.reasonPhrase : text)
    }

    // MARK: One server after the other

    private func send(_ request: APIRequest, credential: Credential) async throws -> HTTPClientResponse {
        do {
            let response = try await sendToAny(request, credential: credential)
            state.withLock { $0 = nil }
            return response
        } catch let error as KubeError {
            state.withLock { outage in
                let since = outage?.since ?? Int64(Date.now.timeIntervalSince1970)
                outage = Outage(since: since, problem: "\(error)")
            }
            throw error
        }
    }

    private func sendToAny(_ request: APIRequest, credential: Credential) async throws -> HTTPClientResponse {
        var unreached: [String] = []
        let order = ring.withLock { $0.order }
        for index in order {
            let server = servers[index]
            do {
                let message = try self.message(request, to: server, credential: credential)
                let response = try await server.client.execute(
                    message, deadline: .now() + TimeAmount(options.requestTimeout), logger: nil)
                ring.withLock { $0.succeeded(index) }
                return response
            } catch {
                if Task.isCancelled { throw CancellationError() }
                ring.withLock { $0.failed(index) }
                let problem = TransportProblem(error, timeout: options.requestTimeout)
                guard problem.isBeforeRequest || request.isSafe && index != order.last else {
                    throw KubeError(problem.cause, request: request.name)
                }
                unreached.append("\(server.address): \(problem.text)")
            }
        }
        throw KubeError(.unreachable(unreached), request: request.name)
    }

    private func message(
        _ request: APIRequest, to server: Server, credential: Credential
    ) throws -> HTTPClientRequest {
        var message = HTTPClientRequest(url: server.base + request.target)
        message.method = request.method
        message.headers.add(name: "user-agent", value: options.userAgent)
        message.headers.add(name: "accept", value: "application/json")
        if let token = credential.token { message.headers.add(name: "authorization", value: "Bearer \(token)") }
        if let body = request.body {
            message.headers.add(name: "content-type", value: request.contentType)
            message.body = .bytes(ByteBuffer(bytes: body))
        }
        if let identity = credential.identity { message.tlsConfiguration = try configuration(identity) }
        return message
    }

    private func configuration(_ identity: ClusterTLS.Identity) throws -> TLSConfiguration {
        try issued.withLock { issued in
            if let issued, issued.identity == identity { return issued.configuration }
            let configuration = try TLSConfiguration.client(tls, identity: identity)
            issued = (identity, configuration)
            return configuration
        }
    }
}
