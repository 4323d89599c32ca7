// SPDX-License-Identifier: Apache-2.0

/// A node and the way to it from the object's root: what errors are reported of.
///
/// The reading functions report a value of the wrong type and return nil; so does everything built on them,
/// which lets a decoder go on and find the other errors.
package struct Field {
    package let node: FieldNode
    /// "spec.ingress[0].ports[1].port"; empty for the root.
    package let path: String
    package let log: FieldLog

    package init(node: FieldNode, path: String = "", log: FieldLog) {
        self.node = node
        self.path = path
        self.log = log
    }

    package func report(_ message: String) {
        log.report(message, field: path, at: node.place)
    }

    /// Given as `null`, or as nothing at all.
    package var isNull: Bool {
        if case .null = node.value { true } else { false }
    }

    package func mapping() -> FieldMap? {
        guard case .map(let entries) = node.value else { return mismatch("a mapping") }
        guard entries.faults.isEmpty else {
            for fault in entries.faults { log.report(fault.text, field: path, at: fault.place) }
            return nil
        }
        return FieldMap(entries.entries, of: self)
    }

    /// An element without a value is an error: "- " with nothing after it is an oversight, and Kubernetes would
    /// take it for the element that says nothing, which in a rule means everything.
    package func elements() -> [Field]? {
        guard case .list(let list) = node.value else { return mismatch("a list") }
        var fields: [Field] = []
        fields.reserveCapacity(list.count)
        var isComplete = true
        for (index, element) in list.enumerated() {
            let field = Field(node: element, path: "\(path)[\(index)]", log: log)
            if field.isNull {
                field.report("the element has no value")
                isComplete = false
            }
            fields.append(field)
        }
        return isComplete ? fields : nil
    }

    package func string() -> String? {
        guard case .string(let text) = node.value else {
            return mismatch(isQuotable ? "a string (put it in quotes)" : "a string")
        }
        return text
    }

    package func integer() -> Int? {
        switch node.value {
        case .integer(let value): return value
        case .oddInteger(let text):
            report("\(text) is not written as a plain decimal number")
            return nil
        default: return mismatch("an integer")
        }
    }

    package func boolean() -> Bool? {
        guard case .bool(let value) = node.value else { return mismatch("true or false") }
        return value
    }

    /// One result for each element; nil if the list or any of its elements is wrong.
    package func list<T>(_ decode: (Field) -> T?) -> [T]? {
        guard let elements = elements() else { return nil }
        let decoded = elements.map(decode)
        let values = decoded.compactMap { $0 }
        return values.count == decoded.count ? values : nil
    }

    package func strings() -> [String]? {
        list { $0.string() }
    }

    /// A mapping of strings to strings, in the order of the text.
    package func stringMap() -> [(key: String, value: String)]? {
        guard let map = mapping() else { return nil }
        let pairs = map.entries.map { entry in
            Field(node: entry.value, path: "\(path)[\(entry.key)]", log: log).string().map { (entry.key, $0) }
        }
        let values = pairs.compactMap { $0 }
        return values.count == pairs.count ? values : nil
    }

    private var isQuotable: Bool {
        switch node.value {
        case .bool, .integer, .oddInteger, .number: true
        default: false
        }
    }

    /// Reports that the value is not what is `wanted`; always nil.
    private func mismatch<T>(_ wanted: String) -> T? {
        if case .unreadable(let reason) = node.value {
            log.reportOnce(reason, at: node.place)
        } else {
            report("must be \(wanted), not \(node.value.name)")
        }
        return nil
    }
}

extension FieldNode.Value {
    /// As an error message calls it.
    package var name: String {
        switch self {
        case .null: "nothing"
        case .bool: "a boolean"
        case .integer, .oddInteger, .number: "a number"
        case .string: "a string"
        case .list: "a list"
        case .map: "a mapping"
        case .other(let name): name
        case .unreadable: "unreadable"
        }
    }
}
