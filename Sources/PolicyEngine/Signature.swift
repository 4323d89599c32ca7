// SPDX-License-Identifier: Apache-2.0

/// The selectors that match the members of a class, sorted. Its hash follows from that of its neighbours, so that
/// taking one selector in or out of thousands of signatures costs little.
struct Signature: Hashable, Sendable {
    private(set) var selectors: [UInt32]
    private var sum: UInt64

    init(_ selectors: [UInt32] = []) {
        self.selectors = selectors
        sum = selectors.reduce(0) { $0 &+ Self.mix($1) }
    }

    func inserting(_ selector: UInt32) -> Signature {
        Signature(selectors: selectors.inserting(selector), sum: sum &+ Self.mix(selector))
    }

    /// Of a signature that has it.
    func removing(_ selector: UInt32) -> Signature {
        Signature(selectors: selectors.removing(selector), sum: sum &- Self.mix(selector))
    }

    private init(selectors: [UInt32], sum: UInt64) {
        self.selectors = selectors
        self.sum = sum
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(sum)
    }

    static func == (a: Signature, b: Signature) -> Bool {
        a.sum == b.sum && a.selectors == b.selectors
    }

    /// Spreads small numbers over 64 bits, so that sums of different sets hardly ever meet.
    private static func mix(_ selector: UInt32) -> UInt64 {
        var mixed = (UInt64(selector) &+ 1) &* 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ (mixed >> 32)) &* 0xd6e8_feb8_6659_fd93
        return mixed ^ (mixed >> 32)
    }
}
