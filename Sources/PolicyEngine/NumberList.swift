// SPDX-License-Identifier: Apache-2.0

/// A sorted set of numbers that costs no allocation while it has one element, as most lists of an index do.
struct NumberList: Sendable {
    /// The only element; `.max`, which is no element, if there are none or many.
    private var single: UInt32 = .max
    private var many: [UInt32] = []

    init() {}

    mutating func insert(_ number: UInt32) {
        if !many.isEmpty {
            if let last = many.last, last < number {
                many.append(number)
            } else if case let index = many.lowerBound(of: number), many[index] != number {
                many.insert(number, at: index)
            }
        } else if single == .max {
            single = number
        } else if single != number {
            many = single < number ? [single, number] : [number, single]
            single = .max
        }
    }

    mutating func remove(_ number: UInt32) {
        if many.isEmpty {
            if single == number { single = .max }
            return
        }
        let index = many.lowerBound(of: number)
        guard index < many.count, many[index] == number else { return }
        many.remove(at: index)
        if many.count == 1 {
            single = many[0]
            many = []
        }
    }

    func contains(_ number: UInt32) -> Bool {
        if many.isEmpty { return single == number && number != .max }
        return many.sortedContains(number)
    }
}

extension NumberList: RandomAccessCollection {
    var startIndex: Int { 0 }
    var endIndex: Int { many.isEmpty ? (single == .max ? 0 : 1) : many.count }
    subscript(position: Int) -> UInt32 { many.isEmpty ? single : many[position] }
}

extension Array where Element: Comparable {
    /// Of a sorted array: the first index whose element is not less.
    func lowerBound(of element: Element) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < element { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func sortedContains(_ element: Element) -> Bool {
        let index = lowerBound(of: element)
        return index < count && self[index] == element
    }

    /// Sorted, each element once.
    mutating func sortUnique() {
        sort()
        var kept = 0
        for index in indices where index == 0 || self[index] != self[kept - 1] {
            self[kept] = self[index]
            kept += 1
        }
        removeLast(count - kept)
    }

    /// Into a sorted array that doesn't have it.
    func inserting(_ element: Element) -> [Element] {
        var result: [Element] = []
        result.reserveCapacity(count + 1)
        result += self
        result.insert(element, at: lowerBound(of: element))
        return result
    }

    /// Of a sorted array; unchanged if it isn't there.
    func removing(_ element: Element) -> [Element] {
        let index = lowerBound(of: element)
        guard index < count, self[index] == element else { return self }
        var result: [Element] = []
        result.reserveCapacity(count - 1)
        result += self[..<index]
        result += self[(index + 1)...]
        return result
    }
}
