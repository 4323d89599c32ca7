// SPDX-License-Identifier: Apache-2.0
import ObjectDecoding
import Yams

/// Makes field nodes of YAML's: scalars resolved as Kubernetes does it, `<<` merged in.
struct NodeConverter {
    /// Nodes that may still be made. Aliases let a short text stand for an endless one.
    private var budget: Int

    private static let tooLarge = "the document is too large with all its aliases written out"

    /// `textSize` is that of the document, in bytes: a text without aliases is never too large.
    private init(textSize: Int) {
        budget = 500_000 + textSize / 4
    }

    static func convert(_ root: Node, textSize: Int) -> FieldNode {
        var converter = NodeConverter(textSize: textSize)
        return converter.convert(root)
    }

    private mutating func convert(_ node: Node) -> FieldNode {
        switch node {
        case .scalar(let scalar):
            return FieldNode(Self.value(of: scalar), at: node.place)
        case .sequence(let sequence):
            guard spend(sequence.count) else { return FieldNode(.unreadable(Self.tooLarge), at: node.place) }
            var list: [FieldNode] = []
            list.reserveCapacity(sequence.count)
            for element in sequence { list.append(convert(element)) }
            return FieldNode(.list(list), at: node.place)
        case .mapping(let mapping):
            guard spend(mapping.count) else { return FieldNode(.unreadable(Self.tooLarge), at: node.place) }
            return FieldNode(.map(entries(of: mapping)), at: node.place)
        case .alias:
            return FieldNode(.other("an alias"), at: node.place)
        }
    }

    private mutating func spend(_ nodes: Int) -> Bool {
        guard budget >= 0 else { return false }
        budget -= nodes
        return budget >= 0
    }

    private mutating func entries(of mapping: Node.Mapping) -> FieldEntries {
        var entries: [FieldEntries.Entry] = []
        entries.reserveCapacity(mapping.count)
        var faults: [FieldEntries.Fault] = []
        var merge: Int?
        for (key, value) in mapping {
            guard case .scalar(let scalar) = key, let name = Self.name(scalar) else {
                faults.append(FieldEntries.Fault("a key must be a string (put it in quotes)", at: key.place))
                continue
            }
            if name == "<<", merge == nil { merge = entries.count }
            entries.append(FieldEntries.Entry(key: name, place: key.place, value: convert(value)))
        }
        if let merge, faults.isEmpty {
            let merged = Self.merged(entries.remove(at: merge).value, &faults)
            let own = Set(entries.map(\.key))
            entries += merged.filter { !own.contains($0.key) }
        }
        return FieldEntries(entries, faults: faults)
    }

    /// What `<<` brings in: a mapping, or a list of them of which the earlier ones win.
    private static func merged(_ source: FieldNode, _ faults: inout [FieldEntries.Fault]) -> [FieldEntries.Entry] {
        let sources = if case .list(let list) = source.value { list } else { [source] }
        var seen: Set<String> = []
        var result: [FieldEntries.Entry] = []
        for source in sources {
            switch source.value {
            case .map(let map):
                faults += map.faults
                result += map.entries.filter { seen.insert($0.key).inserted }
            case .unreadable(let reason):
                faults.append(FieldEntries.Fault(reason, at: source.place))
            default:
                faults.append(FieldEntries.Fault("must be a mapping, not \(source.value.name)", at: source.place))
            }
        }
        return result
    }

    /// The parser has resolved the tags of keys, so only the style says whether a key was quoted.
    private static func name(_ scalar: Node.Scalar) -> String? {
        guard scalar.style == .plain || scalar.style == .any else { return scalar.string }
        if case .string(let text) = ScalarValue.plain(scalar.string) { return text }
        return nil
    }

    private static func value(of scalar: Node.Scalar) -> FieldNode.Value {
        switch ScalarValue(scalar) {
        case .null: .null
        case .boolean(let value): .bool(value)
        case .integer(let value?): .integer(value)
        case .integer(nil): .oddInteger(scalar.string)
        case .float: .number(Double(scalar.string) ?? .nan)
        case .string(let text): .string(text)
        case .other(let tag): .other("a value tagged \(tag)")
        }
    }
}
