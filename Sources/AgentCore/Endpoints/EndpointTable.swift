// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
import NetTypes

/// The endpoints of this node and their lives, as a value: it touches no file, kernel or clock.
///
/// A record goes pending -> ready -> gone, or back from gone to pending when the runtime adds the same container
/// again; it is removed from any state.
package struct EndpointTable: Sendable {
    private var records: [EndpointKey: EndpointRecord] = [:]
    private var keys: [UInt16: EndpointKey] = [:]
    private var keysByAddress: [IPAddress: EndpointKey] = [:]
    private var numbers: NumberPool

    /// - Parameter limit: the highest endpoint number; the datapath's `endpoints` map has one element more.
    package init(limit: UInt16) {
        numbers = NumberPool(limit: limit)
    }

    package var count: Int { records.count }
    package var all: [EndpointRecord] { records.values.sorted { $0.number < $1.number } }
    package subscript(key: EndpointKey) -> EndpointRecord? { records[key] }
    package subscript(number number: UInt16) -> EndpointRecord? { keys[number].flatMap { records[$0] } }

    package func count(in state: EndpointState) -> Int {
        records.values.count { $0.state == state }
    }

    /// A free endpoint number, taken for the caller; nil when none is left.
    package mutating func takeNumber() -> UInt16? { numbers.allocate() }

    /// Gives a number back that no record was inserted for.
    package mutating func returnNumber(_ number: UInt16) {
        if keys[number] == nil { numbers.release(number) }
    }

    /// Adds a record whose number comes from `takeNumber()`.
    package mutating func insert(_ record: EndpointRecord) {
        records[record.key] = record
        keys[record.number] = record.key
        for address in record.addresses { keysByAddress[address] = record.key }
    }

    /// Takes in a saved record; false when another record has its key, number or address.
    package mutating func restore(_ record: EndpointRecord) -> Bool {
        guard records[record.key] == nil, record.addresses.allSatisfy({ keysByAddress[$0] == nil }),
            numbers.restore(record.number)
        else { return false }
        insert(record)
        return true
    }

    /// pending, ready or gone -> ready, with the host side of the veth that was attached.
    package mutating func markReady(
        _ key: EndpointKey, ifindex: UInt32, after milliseconds: UInt32? = nil, at time: Int64
    ) -> EndpointRecord? {
        guard var record = records[key] else { return nil }
        record.ifindex = ifindex
        record.addMilliseconds = milliseconds
        record.state = .ready
        record.since = time
        records[key] = record
        return record
    }

    /// nil when there is no such record.
    package mutating func setIdentity(_ identity: EndpointIdentity, of key: EndpointKey) -> EndpointRecord? {
        records[key]?.identity = identity
        return records[key]
    }

    /// ready -> gone; nil when there is no such record or it was not ready.
    package mutating func markGone(_ key: EndpointKey, at time: Int64) -> EndpointRecord? {
        guard var record = records[key], record.state == .ready else { return nil }
        record.ifindex = nil
        record.state = .gone
        record.since = time
        records[key] = record
        return record
    }

    /// gone -> pending, for an ADD of the same container and interface; other states stay as they are. What is not ready
    /// is this attempt's from now on.
    package mutating func readd(
        _ key: EndpointKey, netns: String, attempt: String? = nil, at time: Int64
    ) -> EndpointRecord? {
        guard var record = records[key] else { return nil }
        if record.state != .ready { record.attempt = attempt }
        if record.state == .gone {
            record.state = .pending
            record.since = time
        }
        record.netns = netns
        records[key] = record
        return record
    }

    /// Forgets a record and frees its number; its addresses are the caller's to release.
    package mutating func remove(_ key: EndpointKey) -> EndpointRecord? {
        guard let record = records.removeValue(forKey: key) else { return nil }
        keys[record.number] = nil
        for address in record.addresses { keysByAddress[address] = nil }
        numbers.release(record.number)
        return record
    }

    /// Records without a working pod behind them for `age` seconds or more: the ADD never came to its end, or the
    /// veth vanished and no DEL followed.
    package func expired(at time: Int64, age: Int64) -> [EndpointRecord] {
        all.filter { $0.state != .ready && time - $0.since >= age }
    }
}
