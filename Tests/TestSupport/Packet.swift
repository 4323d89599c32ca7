// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// An Ethernet frame, built from parts that can each be made wrong. Lengths, protocol numbers and checksums are right
/// unless a part overrides them.
///
///     Packet.tcp(from: client, to: server, sport: 40_000, dport: 80, flags: .syn)
///         .macs(from: podMAC, to: .gateway(endpoint: 7)).hopLimit(1).bytes
package struct Packet: Hashable, Sendable {
    package var sourceMAC = MACAddress(value: 0x02_00_00_00_00_01)
    package var destinationMAC = MACAddress(value: 0x02_00_00_00_00_02)
    /// Nil: what the content is.
    package var etherType: UInt16?
    /// TCI of each 802.1Q tag, outermost first.
    package var vlanTags: [UInt16] = []
    /// Nil for what is not IP; then `payload` follows the Ethernet header.
    package var ip: IPHeader?
    package var transport: Transport
    /// Behind the transport header.
    package var payload: [UInt8]
    /// Cuts the finished frame off.
    package var truncation: Int?
    /// Random bytes or whatever a driver pads with, behind the IP packet.
    package var trailer: [UInt8] = []

    package init(ip: IPHeader?, transport: Transport, payload: [UInt8] = []) {
        self.ip = ip
        self.transport = transport
        self.payload = payload
    }

    /// The frame as it is on the wire, without the frame check sequence.
    package var bytes: [UInt8] {
        var frame = destinationMAC.bytes + sourceMAC.bytes
        for tag in vlanTags {
            frame.append(big: 0x8100 as UInt16)
            frame.append(big: tag)
        }
        frame.append(big: etherType ?? naturalEtherType)
        frame += networkBytes
        frame += trailer
        if let truncation, truncation < frame.count { frame.removeSubrange(truncation...) }
        return frame
    }

    /// Without the Ethernet header: what an ICMP error quotes.
    package var networkBytes: [UInt8] {
        guard let ip else { return payload }
        let content = transport.encode(payload: payload, in: ip)
        return ip.encode(carrying: transport.protocolNumber(in: ip), content)
    }

    private var naturalEtherType: UInt16 {
        guard let ip else { return EtherType.local }
        return ip.isIPv6 ? EtherType.ipv6 : EtherType.ipv4
    }
}

package enum EtherType {
    package static let ipv4: UInt16 = 0x0800
    package static let arp: UInt16 = 0x0806
    package static let vlan: UInt16 = 0x8100
    package static let ipv6: UInt16 = 0x86dd
    /// For experiments, assigned to nobody.
    package static let local: UInt16 = 0x88b5
}

// MARK: Changing a packet

extension Packet {
    /// A copy with changes of any kind.
    package func with(_ change: (inout Packet) -> Void) -> Packet {
        var copy = self
        change(&copy)
        return copy
    }

    /// A copy with changes of the IP header; does nothing to what is not IP.
    package func withIP(_ change: (inout IPHeader) -> Void) -> Packet {
        with { packet in
            guard var ip = packet.ip else { return }
            change(&ip)
            packet.ip = ip
        }
    }

    package func macs(from source: MACAddress, to destination: MACAddress) -> Packet {
        with { ($0.sourceMAC, $0.destinationMAC) = (source, destination) }
    }

    package func etherType(_ type: UInt16) -> Packet { with { $0.etherType = type } }

    /// Puts a tag in front of those that are there.
    package func vlan(_ id: UInt16, priority: UInt16 = 0) -> Packet {
        with { $0.vlanTags.insert(priority << 13 | id & 0xfff, at: 0) }
    }

    package func payload(_ bytes: [UInt8]) -> Packet { with { $0.payload = bytes } }

    /// `count` bytes that count up.
    package func payload(count: Int) -> Packet {
        payload((0..<count).map { UInt8(truncatingIfNeeded: $0) })
    }

    /// IPv4 TTL or IPv6 hop limit.
    package func hopLimit(_ limit: UInt8) -> Packet { withIP { $0.hopLimit = limit } }

    /// IPv4 options, padded with zeros to a multiple of 4.
    package func ipv4Options(_ options: [UInt8]) -> Packet { withIP { $0.options = options } }

    package func extensions(_ extensions: [IPv6Extension]) -> Packet { withIP { $0.extensions = extensions } }

    /// Cuts the finished frame off behind `count` bytes.
    package func truncated(to count: Int) -> Packet { with { $0.truncation = count } }

    /// The packet as one that goes the other way: addresses, MACs and ports are swapped.
    package var reply: Packet {
        withIP { ($0.source, $0.destination) = ($0.destination, $0.source) }
            .macs(from: destinationMAC, to: sourceMAC)
            .with { $0.transport = $0.transport.swapped }
    }

    /// Marks it as a fragment as it stands: header fields, or a Fragment header behind the other IPv6 extensions. Use
    /// `fragments` for a datagram that is really cut.
    ///
    /// - Parameter offset: bytes, a multiple of 8.
    package func fragment(id: UInt32, offset: Int, more: Bool) -> Packet {
        withIP { ip in
            if ip.isIPv6 {
                ip.extensions.append(.fragment(id: id, offset: offset, more: more))
            } else {
                ip.identification = UInt16(truncatingIfNeeded: id)
                ip.fragmentOffset = offset
                ip.moreFragments = more
                ip.dontFragment = false
            }
        }
    }

    /// The datagram cut into fragments of at most `size` bytes of IP payload, in order. The transport checksum is that
    /// of the whole.
    ///
    /// - Parameter size: a multiple of 8.
    package func fragments(id: UInt32, size: Int) -> [Packet] {
        guard let ip, size >= 8, size % 8 == 0 else { return [self] }
        let content = transport.encode(payload: payload, in: ip)
        return stride(from: 0, to: content.count, by: size).map { offset in
            let end = min(offset + size, content.count)
            return with {
                $0.transport = .other(protocol: transport.protocolNumber(in: ip))
                $0.payload = Array(content[offset..<end])
            }.fragment(id: id, offset: offset, more: end < content.count)
        }
    }
}

extension [UInt8] {
    /// Appends a number in network order.
    mutating func append<Number: FixedWidthInteger>(big number: Number) {
        for shift in stride(from: Number.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: number >> Number(shift)))
        }
    }

    /// Overwrites two bytes with a number in network order.
    mutating func set(big number: UInt16, at offset: Int) {
        self[offset] = UInt8(number >> 8)
        self[offset + 1] = UInt8(truncatingIfNeeded: number)
    }
}
