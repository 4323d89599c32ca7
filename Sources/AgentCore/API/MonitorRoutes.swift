// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import FoundationEssentials
import Hummingbird
import ServiceLifecycle

/// The stream of events, one JSON object a line.
struct MonitorRoutes {
    let broadcaster: EventBroadcaster
    let clock: AgentClock

    func add(to router: Router<APIContext>) {
        router.get("/v1/monitor") { request, _ in
            Response(
                status: .ok, headers: [.contentType: "application/x-ndjson"],
                body: ResponseBody { writer in try await stream(request, to: &writer) })
        }
    }

    /// Until the client leaves or the agent stops. A client that only waits is noticed to have left because its side
    /// of the connection is watched meanwhile.
    @concurrent
    private func stream(_ request: Request, to writer: inout any ResponseBodyWriter) async throws {
        let reader = broadcaster.subscribe()
        defer { broadcaster.unsubscribe(reader) }
        // An empty line says that the subscription holds: what happens from here on is reported.
        try await writer.write(ByteBuffer(string: "\n"))
        let broadcaster = broadcaster
        try await request.body.consumeWithInboundCloseHandler { _ in
            while let text = try await nextLines(for: reader) { try await writer.write(ByteBuffer(string: text)) }
        } onInboundClosed: {
            broadcaster.unsubscribe(reader)
        }
        try await writer.finish(nil)
    }

    /// What waits for a reader, as text; nil at the end.
    private func nextLines(for reader: UInt64) async throws -> String? {
        let broadcaster = broadcaster
        let batch = await withGracefulShutdownHandler {
            await broadcaster.next(for: reader)
        } onGracefulShutdown: {
            broadcaster.unsubscribe(reader)
        }
        guard let batch else { return nil }
        var text = batch.lines.map { $0 + "\n" }.joined()
        if batch.lost > 0 { text += try lostLine(batch.lost) }
        return text
    }

    private func lostLine(_ count: UInt64) throws -> String {
        let event = MonitorEvent(kind: .lost, time: Double(clock.milliseconds()) / 1_000, lost: count)
        return String(decoding: try JSONText.encode(event), as: UTF8.self) + "\n"
    }
}
