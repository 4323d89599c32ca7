// SPDX-License-Identifier: Apache-2.0
package import NetTypes

// Packets by what they are. The family is that of `source`.
extension Packet {
    package static func tcp(
        from source: IPAddress, to destination: IPAddress, sport: UInt16, dport: UInt16, flags: TCPFlags = .syn,
        payload: [UInt8] = []
    ) -> Packet {
        Packet(
            ip: IPHeader(from: source, to: destination),
            transport: .tcp(TCPHeader(from: sport, to: dport, flags: flags)), payload: payload)
    }

    package static func udp(
        from source: IPAddress, to destination: IPAddress, sport: UInt16, dport: UInt16,
        payload: [UInt8] = [1, 2, 3, 4]
    ) -> Packet {
        Packet(
            ip: IPHeader(from: source, to: destination), transport: .udp(UDPHeader(from: sport, to: dport)),
            payload: payload)
    }

    package static func sctp(
        from source: IPAddress, to destination: IPAddress, sport: UInt16, dport: UInt16,
        chunks: [SCTPHeader.Chunk] = [.initiation]
    ) -> Packet {
        Packet(
            ip: IPHeader(from: source, to: destination),
            transport: .sctp(SCTPHeader(from: sport, to: dport, chunks: chunks)))
    }

    /// ICMP or ICMPv6 of any type.
    package static func icmp(
        from source: IPAddress, to destination: IPAddress, type: UInt8, code: UInt8 = 0, rest: UInt32 = 0,
        payload: [UInt8] = []
    ) -> Packet {
        Packet(
            ip: IPHeader(from: source, to: destination),
            transport: .icmp(ICMPHeader(type: type, code: code, rest: rest)), payload: payload)
    }

    package static func echoRequest(
        from source: IPAddress, to destination: IPAddress, id: UInt16, sequence: UInt16 = 1
    ) -> Packet {
        icmp(
            from: source, to: destination, type: source.isIPv4 ? 8 : 128, rest: UInt32(id) << 16 | UInt32(sequence),
            payload: [UInt8](repeating: 0x61, count: 32))
    }

    package static func echoReply(
        from source: IPAddress, to destination: IPAddress, id: UInt16, sequence: UInt16 = 1
    ) -> Packet {
        echoRequest(from: source, to: destination, id: id, sequence: sequence).with {
            $0.transport = $0.transport.swapped
        }
    }

    /// Any other protocol above IP.
    package static func ip(
        from source: IPAddress, to destination: IPAddress, protocol number: UInt8, payload: [UInt8] = []
    ) -> Packet {
        Packet(
            ip: IPHeader(from: source, to: destination), transport: .other(protocol: number), payload: payload)
    }

    /// Any other protocol above Ethernet.
    package static func ethernet(type: UInt16, payload: [UInt8]) -> Packet {
        Packet(ip: nil, transport: .other(protocol: 0), payload: payload).etherType(type)
    }

    /// RFC 826 for IPv4 on Ethernet; a request (operation 1) goes to everybody.
    package static func arp(
        operation: UInt16 = 1, from sender: IPAddress, mac: MACAddress, to target: IPAddress,
        targetMAC: MACAddress = MACAddress(value: 0)
    ) -> Packet {
        var body: [UInt8] = [0, 1, 8, 0, 6, 4]
        body.append(big: operation)
        body += mac.bytes + sender.mappedBytes[12...] + targetMAC.bytes + target.mappedBytes[12...]
        return ethernet(type: EtherType.arp, payload: body)
            .macs(from: mac, to: operation == 1 ? MACAddress(value: 0xffff_ffff_ffff) : targetMAC)
    }
}

// Errors that quote the packet they are about.
extension Packet {
    /// - Parameters:
    ///   - source: who reports; nil: the packet's destination.
    ///   - quoting: the packet as the reporter saw it; the error goes to its source.
    ///   - limit: bytes of it that are quoted.
    package static func icmpError(
        type: UInt8, code: UInt8, from source: IPAddress? = nil, quoting packet: Packet, rest: UInt32 = 0,
        limit: Int = 128
    ) -> Packet {
        let quoted = packet.networkBytes.prefix(limit)
        let ip = packet.ip ?? IPHeader(from: .unspecifiedIPv4, to: .unspecifiedIPv4)
        return icmp(
            from: source ?? ip.destination, to: ip.source, type: type, code: code, rest: rest, payload: Array(quoted))
    }

    /// Destination unreachable. Code 3 of IPv4 and 4 of IPv6 are "port unreachable", which is the default.
    package static func unreachable(
        code: UInt8? = nil, from source: IPAddress? = nil, quoting packet: Packet, limit: Int = 128
    ) -> Packet {
        let isIPv6 = packet.ip?.isIPv6 ?? false
        return icmpError(
            type: isIPv6 ? 1 : 3, code: code ?? (isIPv6 ? 4 : 3), from: source, quoting: packet, limit: limit)
    }

    /// ICMPv6 "packet too big", or ICMP "fragmentation needed".
    package static func packetTooBig(
        mtu: UInt32, from source: IPAddress? = nil, quoting packet: Packet, limit: Int = 128
    ) -> Packet {
        let isIPv6 = packet.ip?.isIPv6 ?? false
        return icmpError(
            type: isIPv6 ? 2 : 3, code: isIPv6 ? 0 : 4, from: source, quoting: packet, rest: mtu, limit: limit)
    }

    /// Hop limit exceeded in transit.
    package static func timeExceeded(
        from source: IPAddress? = nil, quoting packet: Packet, limit: Int = 128
    ) -> Packet {
        icmpError(
            type: packet.ip?.isIPv6 ?? false ? 3 : 11, code: 0, from: source, quoting: packet, limit: limit)
    }
}

// IPv6 neighbour discovery (RFC 4861) and multicast listener discovery (RFC 3810).
extension Packet {
    package static func neighbourSolicitation(
        from source: IPAddress, mac: MACAddress, target: IPAddress
    ) -> Packet {
        let group = IPAddress(high: 0xff02 << 48, low: 0x1_ff00_0000 | target.low & 0xff_ffff)
        return icmp(from: source, to: group, type: 135, payload: target.mappedBytes + [1, 1] + mac.bytes)
            .hopLimit(255).macs(from: mac, to: multicastMAC(group))
    }

    package static func neighbourAdvertisement(
        from source: IPAddress, mac: MACAddress, to destination: IPAddress, target: IPAddress
    ) -> Packet {
        icmp(
            from: source, to: destination, type: 136, rest: 0x6000_0000,
            payload: target.mappedBytes + [2, 1] + mac.bytes
        ).hopLimit(255).with { $0.sourceMAC = mac }
    }

    package static func routerSolicitation(from source: IPAddress, mac: MACAddress) -> Packet {
        let group = IPAddress(high: 0xff02 << 48, low: 2)
        return icmp(from: source, to: group, type: 133, payload: [1, 1] + mac.bytes)
            .hopLimit(255).macs(from: mac, to: multicastMAC(group))
    }

    package static func routerAdvertisement(from source: IPAddress, mac: MACAddress) -> Packet {
        let group = IPAddress(high: 0xff02 << 48, low: 1)
        return icmp(
            from: source, to: group, type: 134, rest: 0x4000_0708, payload: [UInt8](repeating: 0, count: 8)
        ).hopLimit(255).macs(from: mac, to: multicastMAC(group))
    }

    /// An MLDv2 report that joins one group, with the router alert option in front.
    package static func multicastListenerReport(
        from source: IPAddress, mac: MACAddress, joining group: IPAddress
    ) -> Packet {
        let routers = IPAddress(high: 0xff02 << 48, low: 0x16)
        return icmp(from: source, to: routers, type: 143, rest: 1, payload: [4, 0, 0, 0] + group.mappedBytes)
            .hopLimit(1).extensions([.hopByHop([5, 2, 0, 0])]).macs(from: mac, to: multicastMAC(routers))
    }

    /// RFC 2464, 7.
    private static func multicastMAC(_ group: IPAddress) -> MACAddress {
        MACAddress(value: 0x3333_0000_0000 | group.low & 0xffff_ffff)
    }
}
