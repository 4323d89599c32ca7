// SPDX-License-Identifier: Apache-2.0
import AgentCore
import AgentIPC
import NetTypes
import Testing

struct EndpointTableTests {
    private static func record(
        _ number: UInt16, _ container: String, ipv4: String = "10.0.0.1", state: EndpointState = .pending,
        since: Int64 = 100
    ) -> EndpointRecord {
        EndpointRecord(
            number: number, key: EndpointKey(containerID: container, interface: "eth0"), network: "n", netns: "/ns",
            podNamespace: "default", podName: container, podUID: nil, labels: nil, ipv4: IPAddress(ipv4), ipv6: nil,
            hostInterface: "skn\(container)", ifindex: nil, state: state, since: since)
    }

    @Test func `numbers never used come first, then the one that was free for longest`() {
        var pool = NumberPool(limit: 3)
        let first = [pool.allocate(), pool.allocate()]
        #expect(first == [1, 2])
        pool.release(2)
        pool.release(1)
        let next = [pool.allocate(), pool.allocate(), pool.allocate(), pool.allocate()]
        #expect(next == [3, 2, 1, nil])
    }

    @Test func `a restored number is not given away`() {
        var pool = NumberPool(limit: 2)
        let restored = [pool.restore(1), pool.restore(1), pool.restore(3), pool.restore(0)]
        #expect(restored == [true, false, false, false])
        let left = [pool.allocate(), pool.allocate()]
        #expect(left == [2, nil])
    }

    @Test func `a record is found by key and number until it is removed`() {
        var table = EndpointTable(limit: 10)
        let number = table.takeNumber() ?? 0
        let record = Self.record(number, "a")
        table.insert(record)
        #expect(table[record.key] == record)
        #expect(table[number: number] == record)
        let removed = table.remove(record.key)
        #expect(removed == record)
        #expect(table[record.key] == nil)
        #expect(table[number: number] == nil)
        let again = table.remove(record.key)
        #expect(again == nil)
    }

    @Test func `only what is ready can vanish, and an ADD makes it pending again`() throws {
        var table = EndpointTable(limit: 10)
        let record = Self.record(table.takeNumber() ?? 0, "a")
        table.insert(record)
        let early = table.markGone(record.key, at: 1)
        #expect(early == nil)
        let ready = table.markReady(record.key, ifindex: 5, at: 2)
        #expect(ready?.state == .ready)
        let repeated = table.readd(record.key, netns: "/other", at: 3)
        #expect(repeated?.state == .ready)
        let gone = table.markGone(record.key, at: 4)
        #expect(gone?.state == .gone)
        #expect(gone?.ifindex == nil)
        let pending = table.readd(record.key, netns: "/new", at: 5)
        let again = try #require(pending)
        #expect(again.state == .pending)
        #expect(again.netns == "/new")
        #expect(again.since == 5)
        #expect(again.number == record.number)
    }

    @Test func `a record that collides with another can't be restored`() {
        var table = EndpointTable(limit: 10)
        let first = table.restore(Self.record(1, "a"))
        #expect(first)
        for (what, record) in [
            ("number", Self.record(1, "b", ipv4: "10.0.0.2")), ("address", Self.record(2, "c", ipv4: "10.0.0.1")),
            ("key", Self.record(2, "a", ipv4: "10.0.0.3")), ("out of range", Self.record(11, "d", ipv4: "10.0.0.4")),
        ] {
            let restored = table.restore(record)
            #expect(!restored, "\(what)")
        }
        let other = table.restore(Self.record(2, "b", ipv4: "10.0.0.2"))
        #expect(other)
        let next = table.takeNumber()
        #expect(next == 3)
    }

    @Test func `what has no working pod expires, what is ready does not`() {
        var table = EndpointTable(limit: 10)
        let restored = [
            table.restore(Self.record(1, "a", ipv4: "10.0.0.1", state: .pending, since: 100)),
            table.restore(Self.record(2, "b", ipv4: "10.0.0.2", state: .ready, since: 100)),
            table.restore(Self.record(3, "c", ipv4: "10.0.0.3", state: .gone, since: 200)),
        ]
        #expect(restored == [true, true, true])
        #expect(table.expired(at: 399, age: 300).map(\.number).isEmpty)
        #expect(table.expired(at: 400, age: 300).map(\.number) == [1])
        #expect(table.expired(at: 500, age: 300).map(\.number) == [1, 3])
    }

    @Test func `the pod's MAC address is unique by number and not the gateway's`() {
        #expect(EndpointRecord.podMAC(endpoint: 0x0102).description == "0a:5c:01:00:01:02")
        #expect(MACAddress.gateway(endpoint: 0x0102).description == "0a:5c:00:00:01:02")
    }
}
