// SPDX-License-Identifier: Apache-2.0
import ObjectDecoding
import Yams

/// Why a document is no YAML.
struct YAMLSyntaxError: Error {
    let place: Place
    let message: String
}

/// Turns one document's text into nodes, with the lines of the file in every error.
enum DocumentParser {
    /// nil if the document is empty.
    static func parse(_ document: DocumentText) throws(YAMLSyntaxError) -> Node? {
        do {
            // Scalars are resolved by ScalarValue, as Kubernetes does it, so the basic resolver is enough.
            let parser = try Parser(yaml: padded(document.text), resolver: .basic, encoding: .utf8)
            guard let root = try parser.nextRoot() else { return nil }
            // What is left must be the end: an error after the root shows only now.
            if let extra = try parser.nextRoot() {
                throw YAMLSyntaxError(place: extra.place, message: "a second document starts here without \"---\"")
            }
            return root
        } catch {
            throw syntaxError(error, in: document)
        }
    }

    /// The parser keeps pointing at the text's bytes, and those of a text small enough to have no storage of its
    /// own move. A padded one has storage.
    private static func padded(_ text: String) -> String {
        text.utf8.count < 64 ? text + "\n" + String(repeating: " ", count: 64) : text
    }

    private static func syntaxError(_ error: any Error, in document: DocumentText) -> YAMLSyntaxError {
        // What is missing at the end is missed after it.
        let lines = document.text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let lastLine = lines.last?.isEmpty == true ? lines.count - 1 : lines.count
        func located(_ mark: Mark, _ message: String) -> YAMLSyntaxError {
            let line = min(mark.line, max(lastLine, 1)) + document.firstLine - 1
            return YAMLSyntaxError(place: Place(line: line, column: mark.column), message: message)
        }
        func withContext(_ context: YamlError.Context?, _ problem: String) -> String {
            guard let context else { return problem }
            return "\(problem) \(context.text) from line \(context.mark.line + document.firstLine - 1)"
        }
        switch error {
        case let error as YAMLSyntaxError:
            return YAMLSyntaxError(
                place: Place(line: error.place.line + document.firstLine - 1, column: error.place.column),
                message: error.message)
        case YamlError.scanner(let context, let problem, let mark, _),
            YamlError.parser(let context, let problem, let mark, _),
            YamlError.composer(let context, let problem, let mark, _):
            return located(mark, "not YAML: " + withContext(context, problem))
        case YamlError.duplicatedKeysInMapping(let keys, let context):
            let names = keys.map { "\"\($0)\"" }.joined(separator: ", ")
            return located(context.mark, "the key \(names) stands more than once in one mapping, first here")
        case YamlError.reader(let problem, let offset, _, _):
            let before = document.text.prefix(offset ?? 0).utf8
            let line = document.firstLine + before.count { $0 == UInt8(ascii: "\n") }
            return YAMLSyntaxError(place: Place(line: line, column: 0), message: "not YAML: \(problem)")
        default:
            return YAMLSyntaxError(place: Place(line: document.firstLine, column: 0), message: "not YAML: \(error)")
        }
    }
}

extension Node {
    /// Within its document's text; an alias is where its anchor is.
    var place: Place {
        mark.map { Place(line: $0.line, column: $0.column) } ?? .unknown
    }
}
