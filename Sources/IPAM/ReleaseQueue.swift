// SPDX-License-Identifier: Apache-2.0
import NetTypes

/// Released addresses, oldest first, with removal from the middle in constant time (amortised).
///
/// Removal leaves a dead entry in the list, known by its outdated ticket; dead entries are cleared away
/// before they are the majority.
struct ReleaseQueue: Sendable {
    private var entries: [(address: IPAddress, ticket: UInt64)] = []
    private var head = 0
    private var tickets: [IPAddress: UInt64] = [:]
    private var nextTicket: UInt64 = 0

    func contains(_ address: IPAddress) -> Bool { tickets[address] != nil }

    /// An address that is in the queue already moves to its end.
    mutating func append(_ address: IPAddress) {
        tickets[address] = nextTicket
        entries.append((address, nextTicket))
        nextTicket += 1
        compactIfSparse()
    }

    mutating func remove(_ address: IPAddress) {
        guard tickets.removeValue(forKey: address) != nil else { return }
        compactIfSparse()
    }

    mutating func popFirst() -> IPAddress? {
        while head < entries.count {
            let entry = entries[head]
            head += 1
            guard tickets[entry.address] == entry.ticket else { continue }
            tickets[entry.address] = nil
            compactIfSparse()
            return entry.address
        }
        return nil
    }

    var inOrder: [IPAddress] {
        entries[head...].filter { tickets[$0.address] == $0.ticket }.map(\.address)
    }

    /// Entries kept, dead ones included.
    var storedCount: Int { entries.count }

    private mutating func compactIfSparse() {
        guard entries.count > 2 * tickets.count + 32 else { return }
        entries = entries[head...].filter { tickets[$0.address] == $0.ticket }
        head = 0
    }
}
