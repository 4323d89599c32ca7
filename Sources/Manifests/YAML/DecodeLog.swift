// SPDX-License-Identifier: Apache-2.0

/// Collects what is wrong with one document while it is decoded.
final class DecodeLog {
    let file: String
    /// The line of the file where the document's text begins.
    let firstLine: Int
    /// The object that is being decoded, once its name is known.
    var object: String?
    private(set) var errors: [ManifestError] = []
    /// Nodes that may still be looked at. Aliases let a short text stand for an endless one.
    private var budget = 500_000

    init(file: String, firstLine: Int) {
        self.file = file
        self.firstLine = firstLine
    }

    /// `place` is within the document's text.
    func report(_ message: String, field: String? = nil, at place: Place) {
        errors.append(
            ManifestError(
                file: file, line: line(place), column: place.column, object: object,
                field: field.flatMap { $0.isEmpty ? nil : $0 }, message: message))
    }

    /// The line of the file.
    func line(_ place: Place) -> Int { max(place.line, 1) + firstLine - 1 }

    /// False, with one error, when the document has more to it than any real one.
    func spend(_ nodes: Int, at place: Place) -> Bool {
        guard budget >= 0 else { return false }
        budget -= nodes
        if budget < 0 { report("the document is too large with all its aliases written out", at: place) }
        return budget >= 0
    }
}
