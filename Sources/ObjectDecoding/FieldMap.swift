// SPDX-License-Identifier: Apache-2.0

/// The fields of a mapping, and which of them nobody has asked for.
package struct FieldMap {
    package let entries: [FieldEntries.Entry]
    private let field: Field
    private var asked: Set<String> = []

    init(_ entries: [FieldEntries.Entry], of field: Field) {
        self.entries = entries
        self.field = field
    }

    /// Where the mapping starts.
    package var place: Place { field.node.place }

    package func report(_ message: String) { field.report(message) }

    /// nil if there is no such field, or if it is null, which Kubernetes takes for the same.
    package mutating func optional(_ name: String) -> Field? {
        given(name).flatMap { $0.isNull ? nil : $0 }
    }

    /// nil if there is no such field. One without a value counts as given, so that reading it is an error: for
    /// fields where what is left out means "everything", a forgotten value must not.
    package mutating func given(_ name: String) -> Field? {
        note(name)
        guard let entry = entries.first(where: { $0.key == name }) else { return nil }
        return Field(node: entry.value, path: path(of: name), log: field.log)
    }

    /// Reports a field that isn't there or has no value.
    package mutating func required(_ name: String, hint: String? = nil) -> Field? {
        if let found = optional(name) { return found }
        let place = entries.first { $0.key == name }?.place ?? place
        field.log.report(
            "the field is required" + (hint.map { " (\($0))" } ?? ""), field: path(of: name), at: place)
        return nil
    }

    /// Reports every field of `refused` that is there, with the reason that stands with it.
    package mutating func refuse(_ refused: KeyValuePairs<String, String>) {
        for (name, reason) in refused {
            note(name)
            guard let entry = entries.first(where: { $0.key == name }) else { continue }
            field.log.report(reason, field: path(of: name), at: entry.place)
        }
    }

    /// Reports every field that is neither asked for before nor in `ignored`. False if there is one.
    @discardableResult
    package func refuseOthers(ignoring ignored: Set<String> = []) -> Bool {
        let unknown = entries.filter { !asked.contains($0.key) && !ignored.contains($0.key) }
        for entry in unknown {
            let near = asked.union(ignored).sorted().first { Self.looksLike($0, entry.key) }
            field.log.report(
                "unknown field" + (near.map { "; did you mean \"\($0)\"?" } ?? ""), field: path(of: entry.key),
                at: entry.place)
        }
        return unknown.isEmpty
    }

    private mutating func note(_ name: String) {
        asked.insert(name)
        if field.log.sought != nil { field.log.sought?.insert(path(of: name)) }
    }

    private func path(of name: String) -> String {
        field.path.isEmpty ? name : "\(field.path).\(name)"
    }

    /// The same but for case, or with one letter wrong, missing or too many.
    private static func looksLike(_ known: String, _ typed: String) -> Bool {
        let a = Array(known.lowercased().utf8)
        let b = Array(typed.lowercased().utf8)
        let front = zip(a, b).prefix { $0 == $1 }.count
        let back = zip(a[front...].reversed(), b[front...].reversed()).prefix { $0 == $1 }.count
        return max(a.count, b.count) - front - back <= 1 || (a.count == b.count && a.sorted() == b.sorted())
    }
}
