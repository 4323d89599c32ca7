// SPDX-License-Identifier: Apache-2.0
import NetTypes
import TestSupport
import Testing

/// A TCP connection between two addresses, packet by packet.
struct Talk {
    let client: IPAddress
    let server: IPAddress
    var sport: UInt16 = 40_000
    var dport: UInt16 = 80

    func fromClient(_ flags: TCPFlags, payload: [UInt8] = []) -> Packet {
        .tcp(from: client, to: server, sport: sport, dport: dport, flags: flags, payload: payload)
    }

    func fromServer(_ flags: TCPFlags, payload: [UInt8] = []) -> Packet {
        .tcp(from: server, to: client, sport: dport, dport: sport, flags: flags, payload: payload)
    }

    var opening: Packet { fromClient(.syn) }
}

extension TCPFlags {
    static let synAck: TCPFlags = [.syn, .ack]
    static let finAck: TCPFlags = [.fin, .ack]
    static let rstAck: TCPFlags = [.rst, .ack]
    static let push: TCPFlags = [.psh, .ack]
}

extension Lab {
    /// A connection between two pods of this node, opened and established.
    func establish(
        _ client: TestPod, _ server: TestPod, _ family: Family, sport: UInt16 = 40_000, dport: UInt16 = 80,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Talk {
        let talk = Talk(client: client.address(family), server: server.address(family), sport: sport, dport: dport)
        for (packet, pod) in [
            (talk.fromClient(.syn), client), (talk.fromServer(.synAck), server), (talk.fromClient(.ack), client),
        ] {
            #expect(try send(packet, by: pod).action == .redirect, sourceLocation: sourceLocation)
        }
        return talk
    }

    /// A connection that a pod opens to an address elsewhere, established.
    func establish(
        _ client: TestPod, to server: IPAddress, sport: UInt16 = 40_000, dport: UInt16 = 80,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Talk {
        let family: Family = server.isIPv4 ? .ipv4 : .ipv6
        let talk = Talk(client: client.address(family), server: server, sport: sport, dport: dport)
        #expect(!(try send(talk.fromClient(.syn), by: client).action.isDrop), sourceLocation: sourceLocation)
        #expect(try deliver(talk.fromServer(.synAck), to: client).action == .pass, sourceLocation: sourceLocation)
        #expect(!(try send(talk.fromClient(.ack), by: client).action.isDrop), sourceLocation: sourceLocation)
        return talk
    }

    /// A connection that begins elsewhere, established.
    func establish(
        from client: IPAddress, to server: TestPod, ingress: UInt32? = nil, sport: UInt16 = 40_000, dport: UInt16 = 80,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Talk {
        let family: Family = client.isIPv4 ? .ipv4 : .ipv6
        let talk = Talk(client: client, server: server.address(family), sport: sport, dport: dport)
        #expect(
            try deliver(talk.fromClient(.syn), to: server, ingress: ingress).action == .pass,
            sourceLocation: sourceLocation)
        #expect(!(try send(talk.fromServer(.synAck), by: server).action.isDrop), sourceLocation: sourceLocation)
        #expect(
            try deliver(talk.fromClient(.ack), to: server, ingress: ingress).action == .pass,
            sourceLocation: sourceLocation)
        return talk
    }
}
