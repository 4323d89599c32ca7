// SPDX-License-Identifier: Apache-2.0

/// A place in a text; both from 1, 0 if unknown.
package struct Place: Hashable, Sendable {
    package var line: Int
    package var column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    package static let unknown = Place(line: 0, column: 0)
}

/// One value of an object as it was written, in YAML or JSON, with its place if the source has places.
package struct FieldNode: Hashable, Sendable {
    package enum Value: Hashable, Sendable {
        case null
        case bool(Bool)
        case integer(Int)
        /// A number that is an integer to some readers of YAML and not to others: `0x50`, `1_000`. The text of it.
        case oddInteger(String)
        case number(Double)
        case string(String)
        case list([FieldNode])
        case map(FieldEntries)
        /// What no field here takes, as an error message calls it.
        case other(String)
        /// What could not be read, and why. It is reported by who wants the value, once a document.
        case unreadable(String)
    }

    package let value: Value
    private let line: Int32
    private let column: Int32

    package init(_ value: Value, at place: Place = .unknown) {
        self.value = value
        line = Int32(clamping: place.line)
        column = Int32(clamping: place.column)
    }

    package var place: Place { Place(line: Int(line), column: Int(column)) }

    /// The value of a field, as it is; nil also if this is no map.
    package subscript(key: String) -> FieldNode? {
        guard case .map(let map) = value else { return nil }
        return map.entries.first { $0.key == key }?.value
    }

    /// Of a string or a whole number; nil for anything else.
    package var text: String? {
        switch value {
        case .string(let text), .oddInteger(let text): text
        case .integer(let number): String(number)
        default: nil
        }
    }
}

/// The fields of a map, in the order of the text.
package struct FieldEntries: Hashable, Sendable {
    package struct Entry: Hashable, Sendable {
        package let key: String
        package let place: Place
        package let value: FieldNode

        package init(key: String, place: Place = .unknown, value: FieldNode) {
            self.key = key
            self.place = place
            self.value = value
        }
    }

    /// What is wrong with the map as a whole. It is reported by who reads it; a map that nobody reads may be anything.
    package struct Fault: Hashable, Sendable {
        package let text: String
        package let place: Place

        package init(_ text: String, at place: Place) {
            self.text = text
            self.place = place
        }
    }

    package let entries: [Entry]
    package let faults: [Fault]

    package init(_ entries: [Entry], faults: [Fault] = []) {
        self.entries = entries
        self.faults = faults
    }
}
