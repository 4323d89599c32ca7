// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import Netlink

extension Datapath {
    /// Puts the node programs on these devices, and on no others: the programs of an earlier start are replaced there with
    /// no packet between, and their mappings go on. Safe to repeat; to be called after every start, also with nil.
    ///
    /// Nil: takes the programs off, and forgets the mappings. Without uplinks only the programs go.
    ///
    /// Throws with the maps as they were. A device that is gone by the time is none of an error: it has nothing to
    /// translate.
    package func setNodeNAT(_ wanted: NodeNAT?) throws {
        guard let wanted else {
            try detachNodePrograms { _ in false }
            masquerading = nil
            for name in ["nat", "node_fragments", "nat_counters"] { try BPFPin.remove(paths.shared(name)) }
            return
        }
        let isNew = masquerading == nil
        if isNew, !wanted.uplinks.isEmpty {
            masquerading = try Masquerading(
                configuration, settings: configuration.settings(tickShift: clock.shift), sharing: object, paths)
        }
        if let masquerading {
            try masquerading.write(wanted, configuration.sizes)
            for uplink in wanted.uplinks where try !isAttached(uplink, masquerading) {
                try attach(masquerading, to: uplink)
            }
            // An earlier start's programs judged by its rules until now.
            if isNew { judgeAgain() }
        }
        let names = Set(wanted.uplinks.map(\.name))
        try detachNodePrograms { names.contains($0) }
    }

    /// Nil while nothing is masqueraded.
    package func masqueradeCounters() throws -> MasqueradeCounters? {
        guard let masquerading else { return nil }
        return MasqueradeCounters(
            out: try masquerading.count(DP_NAT_COUNT_OUT), in: try masquerading.count(DP_NAT_COUNT_IN),
            made: try masquerading.count(DP_NAT_COUNT_NEW).packets,
            moved: try masquerading.count(DP_NAT_COUNT_MOVED).packets)
    }

    /// Of the programs on what comes in and what leaves by an uplink, for measuring; open as long as the datapath. Nil while
    /// nothing is masqueraded.
    package var nodeProgramDescriptors: (from: Int32, to: Int32)? {
        guard let masquerading else { return nil }
        return (masquerading.fromNode.withDescriptor { $0 }, masquerading.toNode.withDescriptor { $0 })
    }

    /// Puts right what differs from what `setNodeNAT` was told last.
    func repairNodeNAT(_ report: inout RepairReport) throws {
        guard let masquerading, let current = masquerading.current else { return }
        let prefixes = current.prefixEntries, devices = current.deviceEntries
        report.checked += prefixes.count + devices.count + current.uplinks.count
        report.repaired += try masquerading.writePrefixes(prefixes).map { "nat_prefixes: \($0)" }
        report.repaired += try masquerading.writeDevices(devices).map { "nat_devices: \($0)" }
        for uplink in current.uplinks where try !isAttached(uplink, masquerading) {
            // Of a device that is gone the agent will hear.
            guard (try? attach(masquerading, to: uplink)) == true else { continue }
            report.repaired.append("links: device \(uplink.name)")
        }
    }

    /// Whether this start's programs are on the device, both of them.
    private func isAttached(_ uplink: NodeNAT.Uplink, _ masquerading: Masquerading) throws -> Bool {
        guard usesTCX else {
            return try filtersAreThere(
                ifindex: uplink.ifindex, from: masquerading.fromNode, to: masquerading.toNode)
        }
        let programs = [
            (PinPaths.Side.from, try masquerading.fromNode.info().id), (.to, try masquerading.toNode.info().id),
        ]
        return programs.allSatisfy { side, program in
            isLinked(program, atPin: paths.link(side, uplink: uplink.name), ifindex: uplink.ifindex)
        }
    }

    /// False if the device is gone.
    @discardableResult
    private func attach(_ masquerading: Masquerading, to uplink: NodeNAT.Uplink) throws -> Bool {
        do {
            if usesTCX {
                try rcu.run {
                    // What comes back first: a mapping that is made must be known there.
                    try attach(masquerading.fromNode, to: uplink, .from, at: .tcxIngress)
                    try attach(masquerading.toNode, to: uplink, .to, at: .tcxEgress)
                }
            } else {
                try attachFilters(masquerading, to: uplink)
            }
            return true
        } catch let error as BPFError where error.errno == .noDevice {
            return false
        } catch let error as SystemError where error.errno == .noDevice {
            return false
        }
    }

    private func attach(
        _ program: borrowing BPFProgram, to uplink: NodeNAT.Uplink, _ side: PinPaths.Side, at point: BPFLink.AttachPoint
    ) throws {
        let path = paths.link(side, uplink: uplink.name)
        if let pinned = try? BPFLink(pinned: path), let info = try? pinned.info(), info.ifindex == uplink.ifindex {
            return try pinned.update(to: program)
        }
        try BPFLink(attaching: program, to: point, ifindex: uplink.ifindex).pin(to: path, replacing: true)
    }

    /// Takes the programs off all devices but these, whichever start put them there.
    private func detachNodePrograms(keeping isKept: (String) -> Bool) throws {
        for name in try Directory.namesIfThere(in: paths.links) {
            guard let device = PinPaths.uplink(ofLink: name), !isKept(device) else { continue }
            try rcu.run { try unlink(at: "\(paths.links)/\(name)") }
        }
        guard !usesTCX else { return }
        var socket = try NetlinkSocket()
        for link in try socket.links() where !isKept(link.name) {
            for direction in TrafficDirection.allCases {
                let filters = try socket.filters(link: link.index, direction: direction)
                guard filters.contains(where: { $0.name?.hasPrefix(Self.filterName) == true }) else { continue }
                try socket.perform(
                    .deleteFilter(
                        link: link.index, direction: direction, handle: Self.filterPlace.handle,
                        priority: Self.filterPlace.priority
                    ).tolerating(.noEntry, .invalid, .noDevice))
            }
        }
    }

    private func attachFilters(_ masquerading: Masquerading, to uplink: NodeNAT.Uplink) throws {
        // The programs are this object's: their descriptors stay open during the call.
        let from = masquerading.fromNode.withDescriptor { $0 }
        let to = masquerading.toNode.withDescriptor { $0 }
        let link = Int32(bitPattern: uplink.ifindex)
        let (handle, priority) = Self.filterPlace
        var socket = try NetlinkSocket()
        try socket.perform([
            .addClsact(link: link),
            .replaceFilter(
                link: link, direction: .ingress, program: from, name: Self.filterName + "from", handle: handle,
                priority: priority),
            .replaceFilter(
                link: link, direction: .egress, program: to, name: Self.filterName + "to", handle: handle,
                priority: priority),
        ])
    }

    private static var filterName: String { "skein-node-" }
    /// A device of the node's may have others' filters: ours come before those that were given no place.
    private static var filterPlace: (handle: UInt32, priority: UInt16) { (0x5ce1, 0x5ce1) }
}
