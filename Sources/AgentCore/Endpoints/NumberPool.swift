// SPDX-License-Identifier: Apache-2.0

/// Hands out endpoint numbers, 1 and up, each to one endpoint at a time.
///
/// Numbers never used come first, then the one that has been free for the longest time, so that a packet that is still
/// on its way to a number's last owner does not reach the next one.
package struct NumberPool: Sendable {
    private let limit: UInt16
    private var unused: UInt16 = 1
    private var released: [UInt16] = []
    private var taken: Set<UInt16> = []

    /// A pool of the numbers 1...`limit`.
    package init(limit: UInt16) {
        self.limit = limit
    }

    /// A number that nobody has, or nil when all are taken.
    package mutating func allocate() -> UInt16? {
        while unused <= limit {
            let number = unused
            unused += 1
            if taken.insert(number).inserted { return number }
        }
        while !released.isEmpty {
            let number = released.removeFirst()
            if taken.insert(number).inserted { return number }
        }
        return nil
    }

    /// Takes a certain number; false when it is out of range or taken.
    package mutating func restore(_ number: UInt16) -> Bool {
        guard number >= 1, number <= limit else { return false }
        return taken.insert(number).inserted
    }

    /// Gives a number back. One that is not taken is left alone.
    package mutating func release(_ number: UInt16) {
        guard taken.remove(number) != nil else { return }
        released.append(number)
    }
}
