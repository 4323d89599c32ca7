// SPDX-License-Identifier: Apache-2.0
import Yams

/// A node and the way to it from the object's root: what errors are reported of.
///
/// The reading functions report a value of the wrong type and return nil; so does everything built on them,
/// which lets a decoder go on and find the other errors.
struct Field {
    let node: Node
    /// "spec.ingress[0].ports[1].port"; empty for the root.
    let path: String
    let log: DecodeLog

    func report(_ message: String) {
        log.report(message, field: path, at: node.place)
    }

    /// Given as `null`, `~` or nothing at all.
    var isNull: Bool { scalar == .null }

    /// nil for lists and mappings.
    var scalar: ScalarValue? { node.scalar.map(ScalarValue.init) }

    /// The fields, `<<` merged in.
    func mapping() -> FieldMap? {
        guard case .mapping(let mapping) = node else { return mismatch("a mapping") }
        return FieldMap(mapping, of: self)
    }

    /// An element without a value is an error: "- " with nothing after it is an oversight, and Kubernetes would
    /// take it for the element that says nothing, which in a rule means everything.
    func elements() -> [Field]? {
        guard case .sequence(let sequence) = node else { return mismatch("a list") }
        guard log.spend(sequence.count, at: node.place) else { return nil }
        var fields: [Field] = []
        fields.reserveCapacity(sequence.count)
        var isComplete = true
        for (index, element) in sequence.enumerated() {
            let field = Field(node: element, path: "\(path)[\(index)]", log: log)
            if field.isNull {
                field.report("the element has no value")
                isComplete = false
            }
            fields.append(field)
        }
        return isComplete ? fields : nil
    }

    func string() -> String? {
        guard case .string(let text) = scalar else {
            return mismatch(isQuotable ? "a string (put it in quotes)" : "a string")
        }
        return text
    }

    func integer() -> Int? {
        switch scalar {
        case .integer(let value?): return value
        case .integer(nil):
            report("\(node.scalar?.string ?? "") is not written as a plain decimal number")
            return nil
        default: return mismatch("an integer")
        }
    }

    func boolean() -> Bool? {
        guard case .boolean(let value) = scalar else { return mismatch("true or false") }
        return value
    }

    /// One result for each element; nil if the list or any of its elements is wrong.
    func list<T>(_ decode: (Field) -> T?) -> [T]? {
        guard let elements = elements() else { return nil }
        let decoded = elements.map(decode)
        let values = decoded.compactMap { $0 }
        return values.count == decoded.count ? values : nil
    }

    func strings() -> [String]? {
        list { $0.string() }
    }

    /// A mapping of strings to strings, in the order of the text.
    func stringMap() -> [(key: String, value: String)]? {
        guard let map = mapping() else { return nil }
        let pairs = map.entries.map { entry in
            Field(node: entry.value, path: "\(path)[\(entry.key)]", log: log).string().map { (entry.key, $0) }
        }
        let values = pairs.compactMap { $0 }
        return values.count == pairs.count ? values : nil
    }

    private var isQuotable: Bool {
        switch scalar {
        case .boolean, .integer, .float: true
        default: false
        }
    }

    /// Reports that the value is not what is `wanted`; always nil.
    private func mismatch<T>(_ wanted: String) -> T? {
        let found =
            switch node {
            case .scalar(let scalar): ScalarValue(scalar).name
            case .mapping: "a mapping"
            case .sequence: "a list"
            case .alias: "an alias"
            }
        report("must be \(wanted), not \(found)")
        return nil
    }
}
