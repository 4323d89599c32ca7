// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import NetTypes
import Netlink
package import PolicyEngine

extension Datapath {
    /// Writes an endpoint's element, both views alike. Packets find it as soon as this returns; its address stands for it
    /// once the changeset that names it as a peer is applied. Setting it again replaces it.
    package func setEndpoint(_ new: LocalEndpoint, view: EndpointView) throws {
        let index = Int(new.number)
        guard index > 0, index < set.endpoints.count else {
            throw DatapathError.mapFull(
                map: "endpoints", size: configuration.sizes.endpoints, setting: "map-endpoints")
        }
        set.endpoints.storeWord(at: index, \.ifindex, 0)
        var element = endpoint()
        let word = encode(view)
        element.view = (word, word)
        element.ipv4 = new.ipv4?.v4.map(\.bigEndian) ?? 0
        element.ipv6 = new.ipv6.map { dp_addr($0) } ?? dp_addr()
        element.mac = macBytes(new.mac)
        set.endpoints[index] = element
        set.endpoints.storeWord(at: index, \.ifindex, new.ifindex)
        endpoints[new.number] = new
    }

    /// Puts the programs on both directions of an endpoint's device, or in the place of those that an earlier start put
    /// there, with no packet between. Safe to repeat.
    package func attach(_ number: UInt16) throws {
        guard let known = endpoints[number] else { throw DatapathError.noSuchEndpoint(number) }
        if usesTCX {
            try rcu.run {
                // What comes out of the pod first: until it is judged, nothing may.
                try attach(fromEndpoint, to: known, .from, at: .tcxIngress)
                try attach(toEndpoint, to: known, .to, at: .tcxEgress)
            }
        } else {
            try attachFilters(ifindex: known.ifindex, from: fromEndpoint, to: toEndpoint)
        }
    }

    /// Takes an endpoint out: its programs, pins and element. Unknown numbers are nothing to do.
    package func removeEndpoint(_ number: UInt16) throws {
        if let known = endpoints.removeValue(forKey: number) {
            set.endpoints.storeWord(at: Int(number), \.ifindex, 0)
            if !usesTCX { try detachFilters(ifindex: known.ifindex) }
        }
        try rcu.run { try unlink(number) }
        judgeAgain()
    }

    var usesTCX: Bool { configuration.tcx && features.tcxLinks }

    /// Detaches and unpins what an endpoint number has pinned.
    func unlink(_ number: UInt16) throws {
        for side in PinPaths.Side.allCases { try unlink(at: paths.link(number, side)) }
    }

    /// Detaches and unpins what is pinned there; nothing, if nothing is.
    func unlink(at path: String) throws {
        guard unsafe access(path, F_OK) == 0 else { return }
        try BPFLink(pinned: path).detach()
        try BPFPin.remove(path)
    }

    /// Whether the link that is pinned there is this program's on that device.
    func isLinked(_ program: UInt32, atPin path: String, ifindex: UInt32) -> Bool {
        let info = try? BPFLink(pinned: path).info()
        return info?.ifindex == ifindex && info?.programID == program
    }

    private func attach(
        _ program: borrowing BPFProgram, to known: LocalEndpoint, _ side: PinPaths.Side, at point: BPFLink.AttachPoint
    ) throws {
        try attach(program, atPin: paths.link(known.number, side), ifindex: known.ifindex, at: point)
    }

    /// Puts a program on a device, in the place of the one that an earlier start pinned there.
    func attach(
        _ program: borrowing BPFProgram, atPin path: String, ifindex: UInt32, at point: BPFLink.AttachPoint
    ) throws {
        if try replace(program, atPin: path, ifindex: ifindex) { return }
        let link = try BPFLink(attaching: program, to: point, ifindex: ifindex)
        try link.pin(to: path, replacing: true)
    }

    /// False if there is no such pin, or it is of another device.
    private func replace(_ program: borrowing BPFProgram, atPin path: String, ifindex: UInt32) throws -> Bool {
        guard unsafe access(path, F_OK) == 0 else { return false }
        let pinned = try BPFLink(pinned: path)
        guard try pinned.info().ifindex == ifindex else { return false }
        try pinned.update(to: program)
        return true
    }

    func encode(_ view: EndpointView) -> endpoint_view {
        var word = view.policy & DP_VIEW_POLICY_MASK.rawValue
        if view.enforceIngress { word |= DP_VIEW_ENFORCE_INGRESS.rawValue }
        if view.enforceEgress { word |= DP_VIEW_ENFORCE_EGRESS.rawValue }
        word |= anyRows[view.policy] ?? 0
        return endpoint_view(policy: word, slot4: view.slot4, slot6: view.slot6, identity: view.identity)
    }
}

/// Kernels before 6.6: filters on the clsact qdisc, which last by themselves and are replaced in one step.
extension Datapath {
    func attachFilters(
        ifindex: UInt32, from: borrowing BPFProgram, to: borrowing BPFProgram
    ) throws {
        // The programs are this object's: their descriptors stay open during the call.
        let from = from.withDescriptor { $0 }
        let to = to.withDescriptor { $0 }
        let link = Int32(bitPattern: ifindex)
        var socket = try NetlinkSocket()
        try socket.perform([
            .addClsact(link: link),
            .replaceFilter(link: link, direction: .ingress, program: from, name: "skein-from"),
            .replaceFilter(link: link, direction: .egress, program: to, name: "skein-to"),
        ])
    }

    /// Only our own filters: the qdisc may serve others, too. With the device gone they are gone.
    func detachFilters(ifindex: UInt32) throws {
        let link = Int32(bitPattern: ifindex)
        var socket = try NetlinkSocket()
        for direction in TrafficDirection.allCases {
            let names = try socket.filters(link: link, direction: direction).compactMap(\.name)
            guard names.contains(where: { $0.hasPrefix(Self.filterPrefix) }) else { continue }
            try socket.perform(
                .deleteFilter(link: link, direction: direction).tolerating(.noEntry, .invalid, .noDevice))
        }
    }

    /// Whether both filters of a device are there, with this start's programs.
    func filtersAreThere(
        ifindex: UInt32, from: borrowing BPFProgram, to: borrowing BPFProgram
    ) throws -> Bool {
        let link = Int32(bitPattern: ifindex)
        var socket = try NetlinkSocket()
        let ingress = try socket.filters(link: link, direction: .ingress).compactMap(\.programID)
        let egress = try socket.filters(link: link, direction: .egress).compactMap(\.programID)
        let (first, second) = (try from.info().id, try to.info().id)
        return ingress.contains(first) && egress.contains(second)
    }

    private static var filterPrefix: String { "skein-" }
}
