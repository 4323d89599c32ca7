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
        /// Out of a tunnel, under an identity.
        case fromTunnel(IPAddress, identity: UInt32)
        /// From the host's stack to other nodes.
        case toTunnel(ingress: UInt32)

        fileprivate var isSending: Bool { if case .from = self { true } else { false } }
    }

    /// What makes tunnels.
    struct Tunnels {
        var link: UInt32
        var port: UInt16
        /// Where each node's end.
        var ends: [UInt32: IPAddress]
    }

    private enum Side: Hashable {
        case pod(UInt16)
        case node
        case service
        case away
    }

    /// A side with what is known of it besides its address.
    private struct Party {
        var side: Side
        /// The node that has it; 0: none.
        var node: UInt32 = 0
        var identity: UInt32 = 0
        /// Nil: the address's.
        var slot: UInt32?
        /// Its packets come by the stack, which translates them.
        var isByStack = false
    }

    /// How an end of a flow is reached.
    private enum Home: Hashable {
        case pod(UInt16)
        /// Through the stack, which translates.
        case translated(UInt16)
        case node
        case tunnel(UInt32, identity: UInt32)
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
        var isTranslated = false
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
        /// No later part may say otherwise.
        var told: Int
    }

    var tables = TableState()
    /// Endpoint number to host side of its veth.
    let devices: [UInt16: UInt32]
    let tunnels: Tunnels?
    private var flows: [FlowID: Flow] = [:]
    private var notes: [NoteID: Note] = [:]

    init(devices: [UInt16: UInt32], tunnels: Tunnels? = nil) {
        self.devices = devices
        self.tunnels = tunnels
    }

    var flowCount: Int { flows.count }

    mutating func forget() {
        flows = [:]
        notes = [:]
    }

    /// True: the packet may go on.
    mutating func passes(_ frame: [UInt8], at place: Place) -> Bool {
        if case .toTunnel = place {
            // Whatever is no pod's is only given a tunnel.
            guard let ends = Reading.addresses(frame), ends.source != ends.destination,
                isUsable(ends.destination, isIPv6: ends.isIPv6)
            else { return false }
            guard case .pod = side(ends.source) else { return node(of: ends.destination) != 0 }
        }
        guard var packet = Reading(frame), resolve(&packet, place), decide(packet, frame, place) else { return false }
        note(packet, place)
        return true
    }

    private func noteID(_ packet: Reading, _ fragment: Reading.Fragment, _ place: Place) -> NoteID {
        let device: UInt32? =
            switch place {
            case .from(let number), .to(let number, _): devices[number]
            case .fromTunnel, .toTunnel: tunnels?.link
            }
        return NoteID(
            device: device, source: packet.source, destination: packet.destination, id: fragment.id,
            number: fragment.number)
    }

    /// Of a first fragment that was let through.
    private mutating func note(_ packet: Reading, _ place: Place) {
        guard let fragment = packet.fragment, fragment.offset == 0 else { return }
        notes[noteID(packet, fragment, place)] = Note(
            number: packet.number, sourcePort: packet.sourcePort, destinationPort: packet.destinationPort,
            asks: packet.asks, told: fragment.told)
    }

    /// A later fragment is what its first one was. False if that one was not let through.
    private func resolve(_ packet: inout Reading, _ place: Place) -> Bool {
        guard let fragment = packet.fragment, fragment.offset > 0 else { return true }
        guard let note = notes[noteID(packet, fragment, place)] else { return false }
        // RFC 3128.
        guard fragment.offset >= note.told else { return false }
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
        let far = flow.homes[packet.destination]
        switch place {
        case .from(let number): return near == .pod(number)
        case .to(let number, let ingress):
            guard far == .pod(number) else { return false }
            if packet.isRelayed { return true }
            switch near {
            case .node: return ingress == 0
            case .translated(let other): return devices[other] == ingress
            case .tunnel: return ingress == tunnels?.link
            case .away: return true
            case .pod, nil: return false
            }
        case .fromTunnel(let outer, _):
            guard case .tunnel(let node, _) = near, isEnd(outer, of: node) else { return false }
            if case .pod = far { return true }
            return flow.isTranslated
        case .toTunnel(let ingress):
            guard case .tunnel = far, case .translated(let number) = near else { return false }
            return flow.isTranslated && devices[number] == ingress
        }
    }

    /// Whether that node's tunnels may come from the address.
    private func isEnd(_ outer: IPAddress, of node: UInt32) -> Bool {
        if tunnels?.ends[node] == outer { return true }
        guard let entry = tables.peers[outer] else { return false }
        return entry.isRemoteNode && entry.node == node
    }

    private func side(_ address: IPAddress) -> Side {
        guard let entry = tables.peers[address] else { return .away }
        if entry.endpoint != 0 { return .pod(entry.endpoint) }
        return entry.isHost ? .node : entry.isService ? .service : .away
    }

    private func node(of address: IPAddress) -> UInt32 { tunnels == nil ? 0 : tables.peers[address]?.node ?? 0 }

    private func party(_ address: IPAddress) -> Party {
        let world: UInt32 = address.isIPv4 ? 9 : 10
        return Party(
            side: side(address), node: node(of: address), identity: tables.peers[address]?.identity ?? world)
    }

    /// Somebody behind an address that is not theirs.
    private func world(_ address: IPAddress) -> Party {
        Party(
            side: .away, identity: address.isIPv4 ? 9 : 10,
            slot: address.isIPv4 ? tables.worldSlot : tables.worldSlot6)
    }

    /// Whether a rule's prefix decides what an address is.
    private func isInPrefix(_ address: IPAddress) -> Bool {
        tables.peers[address] == nil
            && tables.prefixes.keys.contains { $0.address <= address && address <= $0.lastAddress }
    }

    private func isSame(_ home: Home?, _ side: Side) -> Bool {
        switch (home, side) {
        case (.pod(let a), .pod(let b)), (.translated(let a), .pod(let b)): a == b
        case (.pod, _), (_, .pod): false
        default: true
        }
    }

    private func isUsable(_ address: IPAddress, isIPv6: Bool = false) -> Bool {
        if !isIPv6, let v4 = address.v4 { return v4 >> 24 != 0 && v4 >> 24 != 127 && v4 >> 28 < 14 }
        return address.high != 0 && address.high >> 56 != 0xff
    }

    /// The sender, or nil if it can't be who it says.
    private func sender(_ packet: Reading, _ frame: [UInt8], _ place: Place, _ known: Flow?) -> Party? {
        var party = party(packet.source)
        switch place {
        case .from(let number):
            guard frame[0] & 1 == 0, frame.word(4) == number, party.side == .pod(number),
                isUsable(packet.destination)
            else { return nil }
            return party
        case .to(_, let ingress):
            switch party.side {
            // BPF_PROG_TEST_RUN's packets all have a socket.
            case .node:
                let isAnswer = known.map { $0.initiator != packet.source } ?? false
                if ingress == 0, known?.isFromNode ?? true || isAnswer { return party }
                // Translated by the stack: to a question's answer, or to hide somebody.
                if isAnswer {
                    party.isByStack = true
                    return party
                }
                return known?.isFromNode == true ? nil : world(packet.source)
            case .pod(let other): return devices[other] == ingress ? party : nil
            case .service: return known != nil ? party : nil
            case .away:
                let isPod = party.node != 0 && tables.peers[packet.source]?.isRemoteNode == false
                return isPod && ingress != tunnels?.link ? nil : party
            }
        case .fromTunnel(let outer, let identity):
            return sender(packet.source, party, outer, identity)
        case .toTunnel(let ingress):
            guard case .pod(let number) = party.side, devices[number] == ingress else { return nil }
            return party
        }
    }

    /// The sender in a tunnel: as its node says, if that is a node, and nothing speaks against it.
    private func sender(_ source: IPAddress, _ told: Party, _ outer: IPAddress, _ identity: UInt32) -> Party? {
        guard let node = tables.peers[outer], node.isRemoteNode, node.node != 0, told.side == .away else { return nil }
        var party = told
        party.node = node.node
        let isThere = told.node == 0 || told.node == node.node
        let isNode = tables.peers[source]?.isRemoteNode == true
        if identity == told.identity, isThere { return party }
        if identity == 6, isThere {
            if told.node != 0 { return isNode ? party : nil }
            (party.identity, party.slot) = (node.identity, node.slot)
            return party
        }
        if identity == 2, told.node == 0, !isNode { return party }
        guard let slot = tables.identities[identity], !isNode, !isInPrefix(source) else { return nil }
        (party.identity, party.slot) = (identity, slot)
        return party
    }

    /// Whom the packet is for, or nil if it can't be there.
    private func receiver(_ packet: Reading, _ place: Place) -> Party? {
        let party = party(packet.destination)
        switch place {
        case .from:
            guard let tunnels, packet.number == 17, packet.destinationPort == tunnels.port else { return party }
            let isNode = party.side == .node || tables.peers[packet.destination]?.isRemoteNode == true
            return isNode ? nil : party
        case .to(let number, _): return party.side == .pod(number) ? party : nil
        case .fromTunnel:
            if case .pod = party.side { return party }
            return party.side == .node ? party : nil
        case .toTunnel: return party.node == 0 ? nil : party
        }
    }

    /// Who was at the far end of a tunnel when the connection began, where no table says.
    private func recall(_ party: inout Party, _ address: IPAddress, _ home: Home?) {
        guard party.side == .away, party.node == 0, case .tunnel(let node, let identity) = home else { return }
        party.node = node
        guard !isInPrefix(address), identity != party.identity else { return }
        if identity == 6 || identity == 7 {
            guard let end = tunnels?.ends[node], let entry = tables.peers[end] else { return }
            (party.identity, party.slot) = (entry.identity, entry.slot)
        } else if let slot = tables.identities[identity] {
            (party.identity, party.slot) = (identity, slot)
        }
    }

    private mutating func judge(
        _ packet: Reading, _ frame: [UInt8], _ place: Place, _ id: FlowID, _ found: Flow?
    ) -> Bool {
        guard var from = sender(packet, frame, place, found), var to = receiver(packet, place)
        else { return false }
        // This node's own.
        if case .fromTunnel = place, to.side == .node { return true }

        var known: Flow?
        if let found, isSame(found.homes[packet.source], from.side),
            isSame(found.homes[packet.destination], to.side)
        {
            known = found
        } else if packet.kind == .reply || packet.kind == .error {
            return false
        }
        let isForward = known.map { $0.initiator == packet.source } ?? true
        if !isForward, known?.isFromNode == true, to.side == .away { to.side = .node }
        if place.isSending, let known {
            let far = known.homes[packet.destination]
            recall(&to, packet.destination, far)
            if !isForward, to.side == .away, to.node != 0 {
                if case .tunnel = far {} else { to.isByStack = true }
            }
            if !isForward, to.side == .node, !known.isFromNode { to = world(packet.destination) }
        }
        if case .to = place, isForward, from.side != .node { from.isByStack = true }

        let isFromNode = (isForward ? from : to).side == .node
        let isToService = (isForward ? to : from).side == .service
        let isAllowed = isFromNode || isToService || isAllowed(packet, from, to, isForward)
        guard isAllowed || known != nil else { return false }
        guard known != nil || !packet.isEnd else { return true }
        var flow = known ?? Flow(initiator: packet.source, homes: [:])
        flow.isRefused = !isAllowed
        flow.isFromNode = flow.isFromNode || isFromNode
        if case .pod = from.side, !place.isSending { flow.isTranslated = true }
        flow.homes = [
            packet.source: home(from, isTranslated: !place.isSending),
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

    private func home(_ party: Party, isTranslated: Bool) -> Home {
        switch party.side {
        case .pod(let number): isTranslated ? .translated(number) : .pod(number)
        case .node: party.isByStack ? .away : .node
        case .service: .away
        case .away:
            party.node == 0 || party.isByStack ? .away : .tunnel(party.node, identity: party.identity)
        }
    }

    private func isAllowed(_ packet: Reading, _ from: Party, _ to: Party, _ isForward: Bool) -> Bool {
        // As if each address had the slot that its packets' tunnels give it.
        var tables = tables
        for (address, party) in [(packet.source, from), (packet.destination, to)] {
            if let slot = party.slot { tables.setSlot(slot, of: address) }
        }
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

extension TableState {
    fileprivate mutating func setSlot(_ slot: UInt32, of address: IPAddress) {
        var changes = Changeset()
        changes.peers = [(address, PeerEntry(identity: 0, slot: slot))]
        (changes.worldSlot, changes.worldSlot6) = (worldSlot, worldSlot6)
        apply(changes)
    }
}
