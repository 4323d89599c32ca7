// SPDX-License-Identifier: Apache-2.0

import Model

/// The lists of named ports that pods have, each once. Place 0 is the empty one.
struct PortListTable: Sendable {
    private var lists: [[NamedPort]] = [[]]
    private var references: [Int] = [1]
    private var places: [[NamedPort]: UInt32] = [[]: 0]
    private var free: [UInt32] = []

    subscript(place: UInt32) -> [NamedPort] { lists[Int(place)] }

    mutating func retain(_ ports: [NamedPort]) -> UInt32 {
        if ports.isEmpty { return 0 }
        var ports = ports
        ports.sortUnique()
        if let place = places[ports] {
            references[Int(place)] += 1
            return place
        }
        let place = free.popLast() ?? UInt32(lists.count)
        if Int(place) == lists.count {
            lists.append(ports)
            references.append(1)
        } else {
            lists[Int(place)] = ports
            references[Int(place)] = 1
        }
        places[ports] = place
        return place
    }

    mutating func release(_ place: UInt32) {
        guard place != 0 else { return }
        references[Int(place)] -= 1
        guard references[Int(place)] == 0 else { return }
        places[lists[Int(place)]] = nil
        lists[Int(place)] = []
        free.append(place)
    }

    /// For each list with ports of this name: its place and the numbers, each once.
    func numbers(of port: PortName) -> [UInt32: [UInt16]] {
        var found: [UInt32: [UInt16]] = [:]
        for (list, place) in places {
            let numbers = Self.numbers(of: port, in: list)
            if !numbers.isEmpty { found[place] = numbers }
        }
        return found
    }

    /// Sorted, each once.
    static func numbers(of port: PortName, in list: [NamedPort]) -> [UInt16] {
        var numbers = list.filter { $0.protocol == port.protocol && $0.name == port.name }.map(\.port)
        numbers.sortUnique()
        return numbers
    }
}
