// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a manifest or a deny list, and where.
package struct ManifestError: Error, Hashable, Sendable {
    /// The file's name within its folder; empty if the folder itself can't be read.
    package let file: String
    /// From 1; 0 if the error is about the whole file.
    package let line: Int
    /// From 1, in Unicode scalars; 0 if the error is about the whole line or file.
    package let column: Int
    /// "NetworkPolicy default/web", where that much is known.
    package let object: String?
    /// "spec.ingress[0].ports[1].port", where the error is about a field.
    package let field: String?
    package let message: String

    package init(
        file: String, line: Int = 0, column: Int = 0, object: String? = nil, field: String? = nil, message: String
    ) {
        self.file = file
        self.line = line
        self.column = column
        self.object = object
        self.field = field
        self.message = message
    }
}

extension ManifestError: CustomStringConvertible {
    /// `policies.yaml:14: NetworkPolicy default/web: spec.ingress[0].ports[1].port: 70000 is not a port (1-65535)`
    package var description: String {
        var parts: [String] = []
        if !file.isEmpty { parts.append(line > 0 ? "\(file):\(line)" : file) }
        if let object { parts.append(object) }
        if let field { parts.append(field) }
        parts.append(message)
        return parts.joined(separator: ": ")
    }

    /// The error without its place in the file, which edits elsewhere in it move.
    var complaint: ManifestError {
        ManifestError(file: file, object: object, field: field, message: message)
    }
}

extension ManifestError: Comparable {
    /// By file and place.
    package static func < (a: ManifestError, b: ManifestError) -> Bool {
        if a.file != b.file { return a.file < b.file }
        if a.line != b.line { return a.line < b.line }
        if a.column != b.column { return a.column < b.column }
        return a.message < b.message
    }
}
