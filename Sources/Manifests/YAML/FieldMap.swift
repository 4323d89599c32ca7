// SPDX-License-Identifier: Apache-2.0
import Yams

/// The fields of a mapping, and which of them nobody has asked for.
struct FieldMap {
    struct Entry {
        let key: String
        let place: Place
        let value: Node
    }

    let entries: [Entry]
    private let field: Field
    private var asked: Set<String> = []

    /// nil, with an error, if a key is no string.
    init?(_ mapping: Node.Mapping, of field: Field) {
        guard field.log.spend(mapping.count, at: field.node.place) else { return nil }
        var entries: [Entry] = []
        var isValid = true
        for (key, value) in mapping {
            guard case .scalar(let scalar) = key, let name = Self.name(scalar) else {
                field.log.report("a key must be a string (put it in quotes)", field: field.path, at: key.place)
                isValid = false
                continue
            }
            entries.append(Entry(key: name, place: key.place, value: value))
        }
        guard isValid else { return nil }
        if let merge = entries.firstIndex(where: { $0.key == "<<" }) {
            guard let merged = Self.merged(entries.remove(at: merge), of: field) else { return nil }
            let own = Set(entries.map(\.key))
            entries += merged.filter { !own.contains($0.key) }
        }
        self.entries = entries
        self.field = field
    }

    /// Where the mapping starts.
    var place: Place { field.node.place }

    func report(_ message: String) { field.report(message) }

    /// nil if there is no such field, or if it is null, which Kubernetes takes for the same.
    mutating func optional(_ name: String) -> Field? {
        given(name).flatMap { $0.isNull ? nil : $0 }
    }

    /// nil if there is no such field. One without a value counts as given, so that reading it is an error: for
    /// fields where what is left out means "everything", a forgotten value must not.
    mutating func given(_ name: String) -> Field? {
        asked.insert(name)
        guard let entry = entries.first(where: { $0.key == name }) else { return nil }
        return Field(node: entry.value, path: path(of: name), log: field.log)
    }

    /// Reports a field that isn't there or has no value.
    mutating func required(_ name: String, hint: String? = nil) -> Field? {
        if let found = optional(name) { return found }
        let place = entries.first { $0.key == name }?.place ?? place
        field.log.report(
            "the field is required" + (hint.map { " (\($0))" } ?? ""), field: path(of: name), at: place)
        return nil
    }

    /// Reports every field that is neither asked for before nor in `ignored`. False if there is one.
    @discardableResult
    func refuseOthers(ignoring ignored: Set<String> = []) -> Bool {
        let unknown = entries.filter { !asked.contains($0.key) && !ignored.contains($0.key) }
        for entry in unknown {
            let near = asked.union(ignored).sorted().first { Self.looksLike($0, entry.key) }
            field.log.report(
                "unknown field" + (near.map { "; did you mean \"\($0)\"?" } ?? ""), field: path(of: entry.key),
                at: entry.place)
        }
        return unknown.isEmpty
    }

    private func path(of name: String) -> String {
        field.path.isEmpty ? name : "\(field.path).\(name)"
    }

    /// The parser has resolved the tags of keys, so only the style says whether a key was quoted.
    private static func name(_ scalar: Node.Scalar) -> String? {
        guard scalar.style == .plain || scalar.style == .any else { return scalar.string }
        if case .string(let text) = ScalarValue.plain(scalar.string) { return text }
        return nil
    }

    /// What `<<` brings in: a mapping, or a list of them of which the earlier ones win.
    private static func merged(_ entry: Entry, of field: Field) -> [Entry]? {
        let source = Field(node: entry.value, path: field.path, log: field.log)
        var maps: [FieldMap?] = []
        if case .sequence(let sequence) = entry.value {
            maps = sequence.map { Field(node: $0, path: field.path, log: field.log).mapping() }
        } else {
            maps = [source.mapping()]
        }
        var seen: Set<String> = []
        var result: [Entry] = []
        for map in maps {
            guard let map else { return nil }
            result += map.entries.filter { seen.insert($0.key).inserted }
        }
        return result
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
