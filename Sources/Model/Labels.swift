// SPDX-License-Identifier: Apache-2.0

/// The labels of an object: keys with one value each, in the order of the keys' bytes.
///
/// One array without slack, so that ten thousand of them stay small; copies share it.
package struct Labels: Hashable, Sendable {
    package struct Label: Hashable, Sendable {
        package let key: String
        package let value: String

        package init(key: String, value: String) {
            self.key = key
            self.value = value
        }
    }

    private var storage: [Label]

    package init() {
        storage = []
    }

    /// Of a key that comes twice the last value counts, as in a YAML mapping.
    package init(_ labels: some Sequence<(key: String, value: String)>) {
        var latest: [String: String] = [:]
        for (key, value) in labels { latest[key] = value }
        storage = latest.map { Label(key: $0.key, value: $0.value) }
        storage.sort { Self.precedes($0.key, $1.key) }
    }

    /// nil removes the key. Takes the logarithm of the count to read, the count to write.
    package subscript(key: String) -> String? {
        get {
            let index = position(of: key)
            return index < storage.count && storage[index].key == key ? storage[index].value : nil
        }
        set {
            let index = position(of: key)
            let found = index < storage.count && storage[index].key == key
            switch (newValue, found) {
            case (let value?, true): storage[index] = Label(key: key, value: value)
            case (let value?, false): storage.insert(Label(key: key, value: value), at: index)
            case (nil, true): storage.remove(at: index)
            case (nil, false): break
            }
        }
    }

    private func position(of key: String) -> Int {
        var low = 0
        var high = storage.count
        while low < high {
            let middle = (low + high) / 2
            if Self.precedes(storage[middle].key, key) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The order of the bytes, which no locale or Unicode version changes: identity numbers depend on it.
    private static func precedes(_ a: String, _ b: String) -> Bool {
        a.utf8.lexicographicallyPrecedes(b.utf8)
    }
}

extension Labels: RandomAccessCollection {
    package var startIndex: Int { 0 }
    package var endIndex: Int { storage.count }
    package subscript(position: Int) -> Label { storage[position] }
}

extension Labels: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral elements: (String, String)...) {
        self.init(elements.lazy.map { (key: $0.0, value: $0.1) })
    }
}

extension Labels: CustomStringConvertible {
    /// `a=b,c=d`, empty for none.
    package var description: String { storage.map { "\($0.key)=\($0.value)" }.joined(separator: ",") }
}
