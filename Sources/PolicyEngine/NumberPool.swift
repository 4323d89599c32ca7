// SPDX-License-Identifier: Apache-2.0

/// Dense numbers that the kernel's tables use. A number that is given back rests for a whole commit before it is
/// used again: by then everything that named it is deleted and no packet is on its way with it.
struct NumberPool: Sendable {
    private let limit: UInt32
    private var next: UInt32
    private var free: [UInt32] = []
    private var head = 0
    private var resting: [UInt32] = []
    private var released: [UInt32] = []

    init(from first: UInt32, below limit: UInt32 = .max) {
        next = first
        self.limit = limit
    }

    /// All numbers ever given are below it.
    var bound: UInt32 { next }

    /// The one that is free for the longest; a fresh one if none is. nil if all are in use or resting.
    mutating func take() -> UInt32? {
        if head < free.count {
            defer {
                head += 1
                if head == free.count {
                    free.removeAll(keepingCapacity: true)
                    head = 0
                }
            }
            return free[head]
        }
        guard next < limit else { return nil }
        next += 1
        return next - 1
    }

    mutating func release(_ number: UInt32) {
        released.append(number)
    }

    mutating func endCommit() {
        guard !resting.isEmpty || !released.isEmpty else { return }
        if head > 1024 {
            free.removeFirst(head)
            head = 0
        }
        free += resting
        resting = released
        released = []
    }
}
