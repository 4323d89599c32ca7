// SPDX-License-Identifier: Apache-2.0
import Hummingbird
package import Logging
import ServiceLifecycle

/// Answers kubelet's probes: `/healthz` (it runs) and `/readyz` (it does what it is to do, or stands by).
package struct HealthServer: Service {
    private let health: Health
    private let host: String
    private let port: Int
    private let logger: Logger
    private let started: @Sendable (_ port: Int) -> Void

    /// `started` is called once it can be asked, with the port that it has.
    package init(
        _ health: Health, host: String, port: Int, logger: Logger, started: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.health = health
        self.host = host
        self.port = port
        var logger = logger
        // The server's own remarks are not the operator's.
        logger.logLevel = max(logger.logLevel, .warning)
        self.logger = logger
        self.started = started
    }

    package func run() async throws {
        let router = Router()
        router.get("/healthz") { _, _ in "ok\n" }
        router.get("/readyz") { [health] _, _ in
            Response(
                status: health.isReady ? .ok : .serviceUnavailable, headers: [.contentType: "text/plain"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: health.text)))
        }
        let application = Application(
            router: router,
            configuration: ApplicationConfiguration(address: .hostname(host, port: port), serverName: nil),
            onServerRunning: { [started] channel in started(channel.localAddress?.port ?? 0) }, logger: logger)
        try await application.run()
    }
}
