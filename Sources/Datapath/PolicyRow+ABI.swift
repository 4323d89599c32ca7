// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import NetTypes
import PolicyEngine

/// A compiled row in the form that the kernel reads: inline, or with its ports in a table of `ports`.
struct EncodedRow {
    var row: policy_row
    /// Entries for the `ports` map, all of the row's table; empty when everything fits inline.
    var table: [(key: port_key, entry: port_entry)]

    /// - Parameter tableNumber: used if the ports don't fit inline. A number is used once in the life of a map set, so
    ///   that a packet that holds an old row never finds ports of another.
    init(_ row: PolicyRow, tableNumber: () -> UInt32) {
        self.row = policy_row()
        self.row.base_verdict = row.base.verdict.rawValue
        self.row.base_cookie = row.base.cookie
        table = []
        guard row.ports.count > Int(DP_POLICY_INLINE_PORTS) else {
            self.row.count = UInt8(row.ports.count)
            self.row.port = (
                Self.inline(row.ports, 0), Self.inline(row.ports, 1), Self.inline(row.ports, 2),
                Self.inline(row.ports, 3)
            )
            return
        }
        let number = tableNumber()
        self.row.table = number
        for port in row.ports {
            let entry = port_entry(
                cookie: port.verdict.cookie, verdict: port.verdict.verdict.rawValue, pad: (0, 0, 0))
            for `protocol` in Self.protocols(port.protocol) {
                for (first, bits) in Self.prefixes(port.ports) {
                    let key = port_key(
                        prefixlen: UInt32(48 + bits), table: number, protocol: `protocol`, pad: 0,
                        port: first.bigEndian)
                    table.append((key, entry))
                }
            }
        }
    }

    private static func inline(_ ports: [PortVerdict], _ index: Int) -> policy_port {
        guard index < ports.count else { return policy_port() }
        let port = ports[index]
        return policy_port(
            first: port.ports.first, last: port.ports.last, protocol: port.protocol,
            verdict: port.verdict.verdict.rawValue, pad: 0, cookie: port.verdict.cookie)
    }

    /// A table has no entry for "any protocol": it is written for each that a flow can have.
    private static func protocols(_ number: UInt8) -> [UInt8] {
        guard number == 0 else { return [number] }
        return [IPProtocol.icmp, .tcp, .udp, .icmpv6, .sctp].map(\.rawValue)
    }

    /// The fewest aligned blocks that make up a range: first port and the bits that count.
    static func prefixes(_ range: PortRange) -> [(first: UInt16, bits: Int)] {
        var blocks: [(UInt16, Int)] = []
        var next = UInt32(range.first)
        let end = UInt32(range.last) + 1
        while next < end {
            var size: UInt32 = next == 0 ? 65_536 : next & (~next + 1)
            while next + size > end { size >>= 1 }
            blocks.append((UInt16(next), 16 - size.trailingZeroBitCount))
            next += size
        }
        return blocks
    }
}
