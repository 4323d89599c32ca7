// SPDX-License-Identifier: Apache-2.0

import NetTypes

/// Values by address. For many of them it takes half the memory of a dictionary, whose table has room for up to three
/// times as many values as there are: here that room is for numbers only.
struct AddressMap<Value: Sendable>: Sendable {
    private var places: [IPAddress: Int32] = [:]
    /// nil: free.
    private var values: [Value?] = []
    private var free: [Int32] = []

    var count: Int { places.count }

    /// In no order.
    var addresses: some Collection<IPAddress> { places.keys }

    /// nil: nothing is known of the address.
    subscript(address: IPAddress) -> Value? {
        get { places[address].flatMap { values[Int($0)] } }
        set { _ = update(address, newValue) }
    }

    /// Sets or, with nil, removes the value of an address.
    /// - Returns: whether it had one.
    mutating func update(_ address: IPAddress, _ value: Value?) -> Bool {
        guard let place = places[address] else {
            if let value { insert(value, at: address) }
            return false
        }
        values[Int(place)] = value
        if value == nil {
            places[address] = nil
            free.append(place)
        }
        return true
    }

    private mutating func insert(_ value: Value, at address: IPAddress) {
        if let place = free.popLast() {
            values[Int(place)] = value
            places[address] = place
        } else {
            places[address] = Int32(values.count)
            values.append(value)
        }
    }
}

extension AddressMap: Sequence {
    /// In no order.
    func makeIterator() -> some IteratorProtocol<(address: IPAddress, value: Value)> {
        places.lazy.compactMap { address, place in values[Int(place)].map { (address, $0) } }.makeIterator()
    }

    var underestimatedCount: Int { count }
}
