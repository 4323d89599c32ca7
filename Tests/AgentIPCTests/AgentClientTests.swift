// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import Foundation
import Testing

@testable import AgentIPC

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

@Suite struct AgentClientTests {
    @Test func `two calls share a connection`() throws {
        try ByteServer.serve([
            { peer in
                #expect(peer.readRequest() == "GET /v1/ready HTTP/1.1\r\nHost: skein\r\n\r\n")
                peer.write(ok)
                #expect(
                    peer.readRequest()
                        == "POST /v1/endpoints/a%2Fb/eth0/attach HTTP/1.1\r\nHost: skein\r\n"
                        + "Content-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"hostIfindex\":7}")
                peer.write(ok)
                peer.waitForClose()
            }
        ]) { server in
            let client = AgentClient(socket: server.path)
            try client.ready()
            try client.attach(AttachmentReference(containerID: "a/b", interface: "eth0"), hostIfindex: 7)
            #expect(server.connections == 1)
        }
    }

    @Test(arguments: [true, false])
    func `a connection that the agent closes is replaced`(announced: Bool) throws {
        let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
        try ByteServer.serve([
            { peer in
                #expect(peer.readRequest() != nil)
                peer.write(announced ? closing : ok)
            },
            { peer in
                #expect(peer.readRequest() != nil)
                peer.write(ok)
            },
        ]) { server in
            let client = AgentClient(socket: server.path)
            try client.ready()
            try client.ready()
            #expect(server.connections == 2)
        }
    }

    @Test(arguments: [1, 3, 100])
    func `reads chunks, byte by byte too`(size: Int) throws {
        try ByteServer.serve([
            { peer in
                _ = peer.readRequest()
                peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", by: size)
                peer.write("B\r\n[{\"name\":\"a\r\n", by: size)
                let rest = "\",\"type\":\"hash\",\"maxEntries\":4,\"keySize\":1,\"valueSize\":2}]"
                peer.write("\(String(rest.utf8.count, radix: 16))\r\n\(rest)\r\n0\r\n\r\n", by: size)
            }
        ]) { server in
            let maps = try AgentClient(socket: server.path).maps()
            #expect(maps == [MapInfo(name: "a", type: "hash", maxEntries: 4, keySize: 1, valueSize: 2)])
        }
    }

    @Test func `without a socket the agent is away`() {
        let client = AgentClient(socket: "/nonexistent/agent.sock")
        #expect(throws: AgentError.away(socket: "/nonexistent/agent.sock", errno: ENOENT)) { try client.ready() }
    }

    @Test func `with nobody behind the socket the agent is away`() throws {
        try ByteServer.serve([]) { server in
            let path = server.directory + "/left"
            let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            #expect(ByteServer.bind(fd, to: path))
            close(fd)
            #expect(throws: AgentError.away(socket: path, errno: ECONNREFUSED)) {
                try AgentClient(socket: path).ready()
            }
        }
    }

    @Test(arguments: [("/" + String(repeating: "x", count: 120), ENAMETOOLONG), ("", EINVAL)])
    func `a path that can't be a socket is refused`(path: String, errno: Int32) {
        #expect(throws: AgentError.refused(socket: path, errno: errno)) { try AgentClient(socket: path).ready() }
    }

    @Test(arguments: ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"])
    func `an agent that stops answering costs no more than the deadline`(start: String) throws {
        try ByteServer.serve([
            { peer in
                _ = peer.readRequest()
                peer.write(start)
                peer.waitForClose()
            }
        ]) { server in
            let begin = ContinuousClock.now
            let client = AgentClient(socket: server.path)
            #expect(throws: AgentError.timedOut(request: "GET /v1/ready")) {
                try client.ready(by: .after(.milliseconds(100)))
            }
            let took = ContinuousClock.now - begin
            #expect(took >= .milliseconds(100))
            #expect(took < .seconds(5))
        }
    }

    @Test func `a full listen queue costs no more than the deadline`() throws {
        try ByteServer.serve([{ $0.waitForClose() }]) { server in
            var filling: [HTTPConnection] = []
            var error: AgentError?
            while error == nil, filling.count < 64 {
                do throws(AgentError) {
                    filling.append(try HTTPConnection(socket: server.path, by: .after(.milliseconds(100))))
                } catch let refusal {
                    error = refusal
                }
            }
            #expect(error == .timedOut(request: "connect to \(server.path)"))
        }
    }

    @Test(arguments: ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"a\"", "HTTP/1.1 2"])
    func `an early close is a disconnection`(start: String) throws {
        try ByteServer.serve([
            { peer in
                _ = peer.readRequest()
                peer.write(start)
            }
        ]) { server in
            #expect(throws: AgentError.disconnected(request: "GET /v1/ready")) {
                try AgentClient(socket: server.path).ready()
            }
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + String(repeating: "x", count: 101),
        "HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 101),
    ])
    func `bodies are bounded`(response: String) throws {
        try ByteServer.serve([
            { peer in
                _ = peer.readRequest()
                peer.write(response)
                peer.waitForClose()
            }
        ]) { server in
            let client = AgentClient(socket: server.path, bodyLimit: 100)
            #expect(
                throws: AgentError.malformed(request: "GET /v1/ready", detail: "it is longer than 100 bytes")
            ) { try client.ready() }
        }
    }

    @Test func `garbage is told from silence`() throws {
        try ByteServer.serve([{ $0.write("SSH-2.0-x\r\n") }]) { server in
            #expect(throws: AgentError.malformed(request: "GET /v1/ready", detail: "it is not HTTP")) {
                try AgentClient(socket: server.path).ready()
            }
        }
    }

    @Test func `a reply of another shape names the field`() throws {
        try ByteServer.serve([
            { peer in
                _ = peer.readRequest()
                peer.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"removed\":[{\"interface\":1}]}")
            }
        ]) { server in
            #expect {
                _ = try AgentClient(socket: server.path).collectGarbage(GCRequest(network: "n", keep: []))
            } throws: { error in
                guard case AgentError.malformed(let request, let detail) = error else { return false }
                return request == "POST /v1/gc" && detail.hasPrefix("removed[0]: ")
            }
        }
    }

    @Test func `the agent's refusal comes through`() throws {
        let body = #"{"error":{"code":"exhausted","message":"no address is left","retryable":true}}"#
        try ByteServer.serve([
            { peer in
                _ = peer.readRequest()
                peer.write("HTTP/1.1 507 Insufficient\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
                _ = peer.readRequest()
                peer.write("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
                _ = peer.readRequest()
                peer.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            }
        ]) { server in
            let client = AgentClient(socket: server.path)
            let exhausted = APIError(code: "exhausted", message: "no address is left", retryable: true)
            #expect(throws: AgentError.api(status: 507, error: exhausted)) { try client.ready() }
            let busy = APIError(code: "http503", message: "HTTP status 503", retryable: true)
            #expect(throws: AgentError.api(status: 503, error: busy)) { try client.ready() }
            let unknown = try client.endpoint(AttachmentReference(containerID: "a", interface: "b"))
            #expect(unknown == nil)
            #expect(server.connections == 1)
        }
    }

    @Test(arguments: [1, 1_000])
    func `events come as they are sent`(size: Int) throws {
        let events = (1...3).map { #"{"kind":"lost","time":\#($0),"lost":\#($0)}"# + "\n" }
        try ByteServer.serve([
            { peer in
                #expect(peer.readRequest()?.hasPrefix("GET /v1/monitor HTTP/1.1\r\n") == true)
                peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", by: size)
                for event in events {
                    // A line may span chunks.
                    for half in [event.prefix(9), event.dropFirst(9)] {
                        peer.write("\(String(half.utf8.count, radix: 16))\r\n\(half)\r\n", by: size)
                    }
                }
                peer.waitForClose()
            }
        ]) { server in
            var lost: [UInt64] = []
            try AgentClient(socket: server.path).monitor { event, line in
                #expect(events.contains(String(decoding: line, as: UTF8.self) + "\n"))
                lost.append(event.lost ?? 0)
                return lost.count < 3
            }
            #expect(lost == [1, 2, 3])
        }
    }

    @Test func `the monitor ends with the agent's stream`() throws {
        try ByteServer.serve([
            { peer in
                _ = peer.readRequest()
                peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
            }
        ]) { server in
            try AgentClient(socket: server.path).monitor { _, _ in true }
        }
    }

    @Test func `the monitor can be refused`() throws {
        try ByteServer.serve([
            { peer in
                _ = peer.readRequest()
                peer.write("HTTP/1.1 503 Busy\r\nContent-Length: 1\r\n\r\nx")
            }
        ]) { server in
            #expect(throws: AgentError.self) {
                try AgentClient(socket: server.path).monitor { _, _ in true }
            }
        }
    }
}
