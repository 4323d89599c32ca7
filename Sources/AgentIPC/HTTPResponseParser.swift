// SPDX-License-Identifier: Apache-2.0

/// A reply breaks the rules of HTTP/1.1, or goes beyond the limits here.
struct HTTPError: Error, Equatable {
    let detail: String
}

/// Parser of one HTTP/1.1 response (RFC 9112) that takes bytes as they come, however they are cut.
///
/// It reads what a server may send in reply to GET, POST and DELETE: a length, chunks, or a body up to the end of the
/// connection; interim (1xx) responses are skipped.
struct HTTPResponseParser {
    /// Of all header lines, and of all trailer and chunk-size lines, each together.
    static let headerLimit = 16_384

    private enum State: Equatable {
        case statusLine, header
        case body(left: Int), bodyToEnd
        case chunkSize, chunk(left: Int), chunkEnd, trailer
        case done
    }

    private var state = State.statusLine
    private var line: [UInt8] = []
    private var headerBytes = 0
    private var length: Int?
    private var chunked = false

    /// 0 until the status line is in.
    private(set) var status = 0
    /// Whether the connection can serve another request after this response.
    private(set) var keepsAlive = true

    var isComplete: Bool { state == .done }
    /// The length that the header promises; nil: none, or the header isn't complete.
    var promisedLength: Int? { length }

    /// Takes bytes up to the end of the response and appends what is body to `body`.
    /// - Returns: how many were taken; fewer than given only when the response is complete.
    mutating func consume(_ bytes: ArraySlice<UInt8>, body: inout [UInt8]) throws(HTTPError) -> Int {
        var rest = bytes
        while !rest.isEmpty, state != .done {
            switch state {
            case .statusLine, .header, .chunkSize, .chunkEnd, .trailer:
                try takeLine(&rest)
            case .body(let left):
                let count = take(left, of: &rest, to: &body)
                state = count == left ? .done : .body(left: left - count)
            case .chunk(let left):
                let count = take(left, of: &rest, to: &body)
                state = count == left ? .chunkEnd : .chunk(left: left - count)
            case .bodyToEnd:
                _ = take(rest.count, of: &rest, to: &body)
            case .done:
                break
            }
        }
        return rest.startIndex - bytes.startIndex
    }

    /// The connection has ended: right only where that is the end of the body.
    mutating func end() throws(HTTPError) {
        if state == .bodyToEnd { state = .done }
        keepsAlive = false
        guard state == .done else { throw HTTPError(detail: "it ends in the middle") }
    }

    private func take(_ count: Int, of bytes: inout ArraySlice<UInt8>, to body: inout [UInt8]) -> Int {
        let part = bytes.prefix(count)
        body.append(contentsOf: part)
        bytes = bytes.dropFirst(part.count)
        return part.count
    }

    private mutating func takeLine(_ bytes: inout ArraySlice<UInt8>) throws(HTTPError) {
        let end = bytes.firstIndex(of: UInt8(ascii: "\n"))
        let part = bytes[bytes.startIndex..<(end ?? bytes.endIndex)]
        headerBytes += part.count + 1
        guard headerBytes <= Self.headerLimit else {
            throw HTTPError(detail: "its header is longer than \(Self.headerLimit) bytes")
        }
        line.append(contentsOf: part)
        bytes = bytes[(end.map { $0 + 1 } ?? bytes.endIndex)...]
        guard end != nil else { return }
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        let text = String(decoding: line, as: UTF8.self)
        line.removeAll(keepingCapacity: true)
        try lineEnded(text)
    }

    private mutating func lineEnded(_ text: String) throws(HTTPError) {
        switch state {
        case .statusLine:
            try parseStatus(text)
            state = .header
        case .header:
            if text.isEmpty { try headerEnded() } else { try parseField(text) }
        case .chunkSize:
            headerBytes = 0
            let digits = text.prefix { $0 != ";" && $0 != " " }
            guard let size = Int(digits, radix: 16), size >= 0, digits.first != "+" else {
                throw HTTPError(detail: "\"\(text.prefix(20))\" is no chunk size")
            }
            state = size == 0 ? .trailer : .chunk(left: size)
        case .chunkEnd:
            headerBytes = 0
            guard text.isEmpty else { throw HTTPError(detail: "a chunk is longer than its size") }
            state = .chunkSize
        case .trailer:
            if text.isEmpty { state = .done }
        case .body, .bodyToEnd, .chunk, .done:
            break
        }
    }

    private mutating func parseStatus(_ text: String) throws(HTTPError) {
        let parts = text.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[0] == "HTTP/1.1" || parts[0] == "HTTP/1.0", parts[1].utf8.count == 3,
            let status = Int(parts[1]), status >= 100
        else { throw HTTPError(detail: "it is not HTTP") }
        self.status = status
        keepsAlive = parts[0] == "HTTP/1.1"
        length = nil
        chunked = false
    }

    private mutating func parseField(_ text: String) throws(HTTPError) {
        guard let colon = text.firstIndex(of: ":") else { throw HTTPError(detail: "a header line has no colon") }
        let value = text[text.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
        let trimmed = value.lastIndex { $0 != " " && $0 != "\t" }.map { value[...$0] } ?? ""
        switch text[..<colon].lowercased() {
        case "content-length":
            guard let number = Int(trimmed), number >= 0, trimmed.first != "+", length == nil || length == number
            else { throw HTTPError(detail: "\"\(trimmed.prefix(20))\" is no content length") }
            length = number
        case "transfer-encoding":
            guard trimmed.lowercased() == "chunked" else {
                throw HTTPError(detail: "transfer encoding \"\(trimmed.prefix(20))\" is not supported")
            }
            chunked = true
        case "connection":
            let options = trimmed.lowercased().split(separator: ",").map { $0.drop { $0 == " " } }
            if options.contains("close") { keepsAlive = false }
        default:
            break
        }
    }

    private mutating func headerEnded() throws(HTTPError) {
        headerBytes = 0
        if status < 200 {
            state = .statusLine
        } else if status == 204 || status == 304 {
            state = .done
        } else if chunked {
            guard length == nil else { throw HTTPError(detail: "it has a length and chunks") }
            state = .chunkSize
        } else if let length {
            state = length == 0 ? .done : .body(left: length)
        } else {
            keepsAlive = false
            state = .bodyToEnd
        }
    }
}
