// SPDX-License-Identifier: Apache-2.0
import NetTypes
import PolicyEngine

/// What the programs should do with every packet, as a value: connections and fragments by what the packets were,
/// policy by the interpreter of the compiled tables.
struct ReferenceDatapath {
    /// Where a packet is seen.
    enum Place {
        /// On its way out of a pod.
        case from(UInt16)
        /// On its way into a pod, from a device; 0: from a process of the node.
        case to(UInt16, ingress: UInt32)

        fileprivate var isDelivery: Bool { if case .to = self { true } else { false } }
    }

    private enum Side: Hashable {
        case pod(UInt16)
        case node
        case away
    }

    /// How an end of a flow is reached.
    private enum Home: Hashable {
        case pod(UInt16)
        /// Through the stack, which translates.
        case translated(UInt16)
        case node
        case away
    }

    private struct End: Hashable {
        var address: IPAddress
        var port: UInt16
    }

    private struct FlowID: Hashable {
        var number: UInt8
        var first, second: End
        /// Who sends the echo requests.
        var asker: IPAddress?
    }

    private struct Flow {
        var initiator: IPAddress
        var homes: [IPAddress: Home]
        var isFromNode = false
        var isRefused = false
    }

    private struct NoteID: Hashable {
        var device: UInt32?
        var source, destination: IPAddress
        var id: UInt32
        var number: UInt8
    }

    private struct Note {
        var number: UInt8
        var sourcePort, destinationPort: UInt16
        var asks: Bool?
    }

    var tables = TableState()
    /// Endpoint number to host side of its veth.
    let devices: [UInt16: UInt32]
    private var flows: [FlowID: Flow] = [:]
    private var notes: [NoteID: Note] = [:]

    init(devices: [UInt16: UInt32]) { self.devices = devices }

    var flowCount: Int { flows.count }

    mutating func forget() {
        flows = [:]
        notes = [:]
    }

    /// True: the packet may go on.
    mutating func passes(_ frame: [UInt8], at place: Place) -> Bool {
        guard var packet = Reading(frame), resolve(&packet, place) else { return false }
        return decide(packet, frame, place)
    }

    private func noteID(_ packet: Reading, _ fragment: Reading.Fragment, _ place: Place) -> NoteID {
        let device: UInt32? =
            switch place {
            case .from(let number), .to(let number, _): devices[number]
            }
        return NoteID(
            device: device, source: packet.source, destination: packet.destination, id: fragment.id,
            number: fragment.number)
    }

    /// A later fragment is what its first one was. False if that one was not seen.
    private mutating func resolve(_ packet: inout Reading, _ place: Place) -> Bool {
        guard let fragment = packet.fragment else { return true }
        guard fragment.offset > 0 else {
            notes[noteID(packet, fragment, place)] = Note(
                number: packet.number, sourcePort: packet.sourcePort, destinationPort: packet.destinationPort,
                asks: packet.asks)
            return true
        }
        guard let note = notes[noteID(packet, fragment, place)] else { return false }
        // RFC 3128.
        guard note.number != 6 || fragment.offset >= 20 else { return false }
        packet.number = note.number
        packet.sourcePort = note.sourcePort
        packet.destinationPort = note.destinationPort
        packet.asks = note.asks
        if note.asks == false { packet.kind = .reply }
        return true
    }

    private func flowID(_ packet: Reading) -> FlowID {
        let source = End(address: packet.source, port: packet.sourcePort)
        let destination = End(address: packet.destination, port: packet.destinationPort)
        let isOrdered = packet.source < packet.destination
        return FlowID(
            number: packet.number, first: isOrdered ? source : destination, second: isOrdered ? destination : source,
            asker: packet.asks.map { $0 ? packet.source : packet.destination })
    }

    private mutating func decide(_ packet: Reading, _ frame: [UInt8], _ place: Place) -> Bool {
        if case .from = place, packet.isRelayed { return false }
        let id = flowID(packet)
        let flow = packet.kind == .opening ? nil : flows[id]
        if let flow, isHome(packet, flow, place) { return !flow.isRefused }
        return judge(packet, frame, place, id, flow)
    }

    /// Whether the packet is where its flow lives.
    private func isHome(_ packet: Reading, _ flow: Flow, _ place: Place) -> Bool {
        let near = flow.homes[packet.source]
        switch place {
        case .from(let number): return near == .pod(number)
        case .to(let number, let ingress):
            guard flow.homes[packet.destination] == .pod(number) else { return false }
            if packet.isRelayed { return true }
            switch near {
            case .node: return ingress == 0
            case .translated(let other): return devices[other] == ingress
            case .away: return true
            case .pod, nil: return false
            }
        }
    }

    private func side(_ address: IPAddress) -> Side {
        guard let entry = tables.peers[address] else { return .away }
        if entry.endpoint != 0 { return .pod(entry.endpoint) }
        return entry.isHost ? .node : .away
    }

    private func isSame(_ home: Home?, _ side: Side) -> Bool {
        switch (home, side) {
        case (.pod(let a), .pod(let b)), (.translated(let a), .pod(let b)): a == b
        case (.pod, _), (_, .pod): false
        default: true
        }
    }

    private func isUsable(_ address: IPAddress) -> Bool {
        if let v4 = address.v4 { return v4 >> 24 != 0 && v4 >> 24 != 127 && v4 >> 28 < 14 }
        return address.high != 0 && address.high >> 56 != 0xff
    }

    /// The sender, or nil if it can't be who it says.
    private func sender(_ packet: Reading, _ frame: [UInt8], _ place: Place) -> Side? {
        switch place {
        case .from(let number):
            guard frame[0] & 1 == 0, frame.word(4) == number, side(packet.source) == .pod(number),
                isUsable(packet.destination)
            else { return nil }
            return .pod(number)
        case .to(_, let ingress):
            switch side(packet.source) {
            // BPF_PROG_TEST_RUN's packets all have a socket.
            case .node: return ingress == 0 ? .node : nil
            case .pod(let other): return devices[other] == ingress ? .pod(other) : nil
            case .away: return .away
            }
        }
    }

    private mutating func judge(
        _ packet: Reading, _ frame: [UInt8], _ place: Place, _ id: FlowID, _ found: Flow?
    ) -> Bool {
        guard let from = sender(packet, frame, place) else { return false }
        var to = side(packet.destination)
        if case .to(let number, _) = place, to != .pod(number) { return false }

        var known: Flow?
        if let found, isSame(found.homes[packet.source], from), isSame(found.homes[packet.destination], to) {
            known = found
        } else if packet.kind == .reply || packet.kind == .error {
            return false
        }
        let isForward = known.map { $0.initiator == packet.source } ?? true
        if !isForward, known?.isFromNode == true, to == .away { to = .node }

        let isFromNode = (isForward ? from : to) == .node
        let isAllowed = isFromNode || isAllowed(packet, isForward)
        guard isAllowed || known != nil else { return false }
        guard known != nil || !packet.isEnd else { return true }
        var flow = known ?? Flow(initiator: packet.source, homes: [:])
        flow.isRefused = !isAllowed
        flow.isFromNode = flow.isFromNode || isFromNode
        flow.homes = [
            packet.source: home(from, isTranslated: place.isDelivery),
            packet.destination: home(to, isTranslated: isTranslated(known?.homes[packet.destination])),
        ]
        flows[id] = flow
        return isAllowed
    }

    private func isTranslated(_ home: Home?) -> Bool {
        switch home {
        case .pod, nil: false
        default: true
        }
    }

    private func home(_ side: Side, isTranslated: Bool) -> Home {
        switch side {
        case .pod(let number): isTranslated ? .translated(number) : .pod(number)
        case .node: .node
        case .away: .away
        }
    }

    private func isAllowed(_ packet: Reading, _ isForward: Bool) -> Bool {
        let ends = [
            End(address: packet.source, port: packet.sourcePort),
            End(address: packet.destination, port: packet.destinationPort),
        ]
        let (initiator, responder) = isForward ? (ends[0], ends[1]) : (ends[1], ends[0])
        let port = packet.asks == nil ? responder.port : packet.isIPv6 ? 128 : 8
        return interpret(
            tables, from: initiator.address, to: responder.address, protocol: IPProtocol(rawValue: packet.number),
            port: port
        ).isAllowed
    }
}
