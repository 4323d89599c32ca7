// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import AgentIPC

@Suite struct HTTPResponseParserTests {
    struct Good: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let text: String
        let status: Int
        let body: String
        let keepsAlive: Bool
        var endsWithConnection = false
    }

    static let good = [
        Good(
            testDescription: "length", text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200,
            body: "hello", keepsAlive: true),
        Good(
            testDescription: "bare line feeds, odd case, white space",
            text: "HTTP/1.1 404 Not Found\nCONTENT-length:  3 \t\nX: y\n\nabc", status: 404, body: "abc",
            keepsAlive: true),
        Good(
            testDescription: "no reason phrase, no body", text: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
            status: 200, body: "", keepsAlive: true),
        Good(
            testDescription: "chunks",
            text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "5\r\nhello\r\n1;name=\"value\"\r\n \r\nA\r\n0123456789\r\n0\r\n\r\n",
            status: 200, body: "hello 0123456789", keepsAlive: true),
        Good(
            testDescription: "chunks with a trailer",
            text: "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2\r\n\r\n\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n",
            status: 200, body: "\r\n", keepsAlive: true),
        Good(
            testDescription: "after interim responses",
            text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                + "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok",
            status: 201, body: "ok", keepsAlive: true),
        Good(
            testDescription: "204 without a length", text: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, body: "",
            keepsAlive: true),
        Good(
            testDescription: "connection: close",
            text: "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 1\r\n\r\nx", status: 200, body: "x",
            keepsAlive: false),
        Good(
            testDescription: "HTTP/1.0", text: "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", status: 200,
            body: "x", keepsAlive: false),
        Good(
            testDescription: "up to the end of the connection", text: "HTTP/1.1 200 OK\r\n\r\nall of it",
            status: 200, body: "all of it", keepsAlive: false, endsWithConnection: true),
    ]

    @Test(arguments: good, [1, 2, 3, 7, 10_000])
    func `reads a response however it is cut`(response: Good, size: Int) throws {
        var parser = HTTPResponseParser()
        var body: [UInt8] = []
        let bytes = Array(response.text.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            #expect(!parser.isComplete)
            let piece = bytes[start..<min(start + size, bytes.count)]
            #expect(try parser.consume(piece, body: &body) == piece.count)
        }
        #expect(parser.isComplete == !response.endsWithConnection)
        if response.endsWithConnection { try parser.end() }
        #expect(parser.isComplete)
        #expect(parser.status == response.status)
        #expect(String(decoding: body, as: UTF8.self) == response.body)
        #expect(parser.keepsAlive == response.keepsAlive)
    }

    @Test func `leaves what follows a response`() throws {
        var parser = HTTPResponseParser()
        var body: [UInt8] = []
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1"
        #expect(try parser.consume(Array(text.utf8)[...], body: &body) == text.utf8.count - 8)
        #expect(parser.isComplete)
    }

    @Test(arguments: [
        ("SSH-2.0-OpenSSH\r\n", "it is not HTTP"),
        ("HTTP/2 200\r\n", "it is not HTTP"),
        ("HTTP/1.1 20\r\n", "it is not HTTP"),
        ("HTTP/1.1 abc OK\r\n", "it is not HTTP"),
        ("HTTP/1.1 200 OK\r\nno colon\r\n", "a header line has no colon"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", "\"-1\" is no content length"),
        ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n", "\"+1\" is no content length"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n", "\"2\" is no content length"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n",
            "transfer encoding \"gzip, chunked\" is not supported"
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            "it has a length and chunks"
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "\"xyz\" is no chunk size"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\n", "\"+1\" is no chunk size"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "\"\" is no chunk size"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
            "a chunk is longer than its size"
        ),
    ])
    func `refuses what is no response`(text: String, detail: String) {
        var parser = HTTPResponseParser()
        var body: [UInt8] = []
        #expect(throws: HTTPError(detail: detail)) { try parser.consume(Array(text.utf8)[...], body: &body) }
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nX: ", "x"),
        ("HTTP/1.1 200 OK\r\n", "X: y\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x"),
    ])
    func `bounds headers and chunk sizes`(start: String, repeated: String) {
        var parser = HTTPResponseParser()
        var body: [UInt8] = []
        #expect(throws: HTTPError(detail: "its header is longer than 16384 bytes")) {
            for byte in (start + String(repeating: repeated, count: 20_000)).utf8 {
                _ = try parser.consume([byte][...], body: &body)
            }
        }
    }

    @Test(arguments: [
        "", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ])
    func `an early end is an error`(text: String) throws {
        var parser = HTTPResponseParser()
        var body: [UInt8] = []
        _ = try parser.consume(Array(text.utf8)[...], body: &body)
        #expect(throws: HTTPError(detail: "it ends in the middle")) { try parser.end() }
    }
}

@Suite struct LineSplitterTests {
    @Test(arguments: [1, 2, 5, 100])
    func `finds lines however they are cut`(size: Int) throws {
        var splitter = LineSplitter()
        var lines: [String] = []
        let bytes = Array("one\ntwo\n\n\nthree\nunfinished".utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            let more = try splitter.feed(Array(bytes[start..<min(start + size, bytes.count)])) {
                lines.append(String(decoding: $0, as: UTF8.self))
                return true
            }
            #expect(more)
        }
        #expect(lines == ["one", "two", "three"])
    }

    @Test func `stops when it is told to`() throws {
        var splitter = LineSplitter()
        var count = 0
        let more = try splitter.feed(Array("1\n2\n3\n".utf8)) { _ in
            count += 1
            return count < 2
        }
        #expect(!more)
        #expect(count == 2)
    }

    @Test func `bounds a line`() {
        var splitter = LineSplitter()
        #expect(throws: HTTPError.self) {
            _ = try splitter.feed([UInt8](repeating: 120, count: LineSplitter.limit + 1)) { _ in true }
        }
    }
}
