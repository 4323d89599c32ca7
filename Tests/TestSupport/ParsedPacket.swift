// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// A frame read back, as far as it is well-formed: for looking at what a program did to a packet.
package struct ParsedPacket: Hashable, Sendable {
    package let destinationMAC: MACAddress
    package let sourceMAC: MACAddress
    /// Behind the tags.
    package let etherType: UInt16
    package let vlanTags: [UInt16]
    /// Nil: not IP, or cut off.
    package private(set) var ip: IP?
    /// Transport header and what follows, up to the end that the IP header gives.
    package private(set) var content: [UInt8] = []

    package struct IP: Hashable, Sendable {
        package var source: IPAddress
        package var destination: IPAddress
        package var hopLimit: UInt8
        package var trafficClass: UInt8
        /// Behind the extension headers.
        package var protocolNumber: UInt8
        /// Always true for IPv6, which has none.
        package var isChecksumRight: Bool
        /// Bytes; nil for packets that are not fragments.
        package var fragmentOffset: Int?
        package var hasMoreFragments: Bool
        /// Numbers of the IPv6 extension headers.
        package var extensions: [UInt8]
    }

    /// Nil for less than an Ethernet header.
    package init?(_ frame: [UInt8]) {
        guard frame.count >= 14, let destination = MACAddress(bytes: frame[..<6]),
            let source = MACAddress(bytes: frame[6..<12])
        else { return nil }
        destinationMAC = destination
        sourceMAC = source
        var offset = 12
        var tags: [UInt16] = []
        while frame.big16(offset) == EtherType.vlan, let tag = frame.big16(offset + 2) {
            tags.append(tag)
            offset += 4
        }
        guard let type = frame.big16(offset) else { return nil }
        etherType = type
        vlanTags = tags
        let packet = Array(frame[(offset + 2)...])
        switch type {
        case EtherType.ipv4: parseIPv4(packet)
        case EtherType.ipv6: parseIPv6(packet)
        default: content = packet
        }
    }

    private mutating func parseIPv4(_ packet: [UInt8]) {
        guard packet.count >= 20, packet[0] >> 4 == 4, let total = packet.big16(2), let fragment = packet.big16(6),
            let source = IPAddress(bytes: packet[12..<16]), let destination = IPAddress(bytes: packet[16..<20])
        else { return }
        let size = Int(packet[0] & 15) * 4
        guard size >= 20, size <= packet.count else { return }
        let offset = Int(fragment & 0x1fff) * 8
        let more = fragment & 0x2000 != 0
        ip = IP(
            source: source, destination: destination, hopLimit: packet[8], trafficClass: packet[1],
            protocolNumber: packet[9], isChecksumRight: Checksum.internet(Array(packet[..<size])) == 0,
            fragmentOffset: offset != 0 || more ? offset : nil, hasMoreFragments: more, extensions: [])
        content = Array(packet[size..<max(size, min(Int(total), packet.count))])
    }

    private mutating func parseIPv6(_ packet: [UInt8]) {
        guard packet.count >= 40, packet[0] >> 4 == 6, let length = packet.big16(4),
            let source = IPAddress(bytes: packet[8..<24]), let destination = IPAddress(bytes: packet[24..<40])
        else { return }
        var ip = IP(
            source: source, destination: destination, hopLimit: packet[7],
            trafficClass: packet[0] << 4 | packet[1] >> 4, protocolNumber: packet[6], isChecksumRight: true,
            fragmentOffset: nil, hasMoreFragments: false, extensions: [])
        let end = min(packet.count, 40 + Int(length))
        var offset = 40
        while [0, 43, 44, 51, 60].contains(ip.protocolNumber), offset + 8 <= end {
            ip.extensions.append(ip.protocolNumber)
            let size =
                switch ip.protocolNumber {
                case 44: 8
                case 51: (Int(packet[offset + 1]) + 2) * 4
                default: (Int(packet[offset + 1]) + 1) * 8
                }
            if ip.protocolNumber == 44, let field = packet.big16(offset + 2) {
                ip.fragmentOffset = Int(field & 0xfff8)
                ip.hasMoreFragments = field & 1 != 0
            }
            ip.protocolNumber = packet[offset]
            offset += size
            if ip.fragmentOffset ?? 0 > 0 { break }
        }
        self.ip = ip
        content = offset <= end ? Array(packet[offset..<end]) : []
    }
}

// What the transport header says; nil where there is none.
extension ParsedPacket {
    private var hasTransportHeader: Bool { ip != nil && ip?.fragmentOffset ?? 0 == 0 }
    private var hasPorts: Bool {
        hasTransportHeader && IPProtocol(rawValue: ip?.protocolNumber ?? 0).hasPorts
    }

    package var sourcePort: UInt16? { hasPorts ? content.big16(0) : nil }
    package var destinationPort: UInt16? { hasPorts ? content.big16(2) : nil }

    package var tcpFlags: TCPFlags? {
        guard hasTransportHeader, ip?.protocolNumber == 6, content.count >= 20 else { return nil }
        return TCPFlags(rawValue: content[13])
    }

    package var icmpType: UInt8? { isICMP ? content[0] : nil }
    package var icmpCode: UInt8? { isICMP ? content[1] : nil }
    private var isICMP: Bool {
        hasTransportHeader && content.count >= 8 && [1, 58].contains(ip?.protocolNumber ?? 0)
    }

    /// What an ICMP error quotes, put behind an Ethernet header so that it can be parsed like a frame.
    package var quoted: ParsedPacket? {
        guard isICMP, let ip else { return nil }
        let errors: [UInt8] = ip.source.isIPv4 ? [3, 4, 5, 11, 12] : [1, 2, 3, 4]
        guard errors.contains(content[0]) else { return nil }
        var frame = [UInt8](repeating: 0, count: 12)
        frame.append(big: etherType)
        return ParsedPacket(frame + content[8...])
    }

    /// Whether the transport checksum fits; true for a UDP datagram over IPv4 without one. Nil for fragments and
    /// protocols without a checksum that is known here.
    package var isTransportChecksumRight: Bool? {
        guard let ip, ip.fragmentOffset == nil else { return nil }
        var header = IPHeader(from: ip.source, to: ip.destination)
        header.isIPv6 = etherType == EtherType.ipv6
        let pseudo = header.pseudoHeader(ip.protocolNumber, length: content.count)
        switch ip.protocolNumber {
        case 1: return Checksum.internet(content) == 0
        case 17 where content.big16(6) == 0: return !header.isIPv6
        case 6, 17, 58: return Checksum.internet(pseudo + content) == 0
        case 132:
            guard content.count >= 12 else { return false }
            var zeroed = content
            for index in 8..<12 { zeroed[index] = 0 }
            let sent = (0..<4).reduce(UInt32(0)) { $0 | UInt32(content[8 + $1]) << UInt32(8 * $1) }
            return Checksum.crc32c(zeroed) == sent
        default: return nil
        }
    }
}

extension [UInt8] {
    fileprivate func big16(_ offset: Int) -> UInt16? {
        guard offset + 2 <= count else { return nil }
        return UInt16(self[offset]) << 8 | UInt16(self[offset + 1])
    }
}
