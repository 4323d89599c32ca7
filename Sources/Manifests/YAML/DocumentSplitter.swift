// SPDX-License-Identifier: Apache-2.0

/// One document of a YAML stream as text.
struct DocumentText: Hashable {
    let text: String
    /// The line of the file that is the first of `text`, from 1.
    let firstLine: Int
}

/// Cuts a YAML stream at its document markers, so that a document that can't be parsed hides no other.
///
/// A line that begins with `---` or `...` and then ends or has white space can be nothing but a marker (YAML 1.2,
/// production c-forbidden), whatever stands around it: no quoted or block scalar may hold one.
struct DocumentSplitter {
    private enum Marker { case start, end }

    static func split(_ text: String) -> [DocumentText] {
        var documents: [DocumentText] = []
        let bytes = text.utf8
        var lineNumber = 1
        var documentStart = bytes.startIndex
        var documentLine = 1
        // Comments, blank lines and %directives belong to the document after them.
        var hasContent = false

        func cut(at end: String.Index) {
            if hasContent {
                documents.append(DocumentText(text: String(text[documentStart..<end]), firstLine: documentLine))
            }
            hasContent = false
        }

        var lineStart = bytes.startIndex
        while lineStart < bytes.endIndex {
            let lineEnd = bytes[lineStart...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
            let next = lineEnd < bytes.endIndex ? bytes.index(after: lineEnd) : lineEnd
            let line = bytes[lineStart..<lineEnd]
            switch marker(line) {
            case .start:
                if hasContent {
                    cut(at: lineStart)
                    (documentStart, documentLine) = (lineStart, lineNumber)
                }
                hasContent = true
            case .end:
                cut(at: lineStart)
                (documentStart, documentLine) = (next, lineNumber + 1)
            case nil:
                if !hasContent, !isPrelude(line) { hasContent = true }
            }
            lineStart = next
            lineNumber += 1
        }
        cut(at: bytes.endIndex)
        return documents
    }

    private static func marker(_ line: Substring.UTF8View) -> Marker? {
        let head = line.prefix(4)
        guard head.count >= 3, head.count == 3 || isSpace(head[head.index(head.startIndex, offsetBy: 3)]) else {
            return nil
        }
        if head.starts(with: "---".utf8) { return .start }
        return head.starts(with: "...".utf8) ? .end : nil
    }

    private static func isPrelude(_ line: Substring.UTF8View) -> Bool {
        if line.first == UInt8(ascii: "%") { return true }
        guard let first = line.first(where: { !isSpace($0) }) else { return true }
        return first == UInt8(ascii: "#")
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }
}
