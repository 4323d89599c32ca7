// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import NetTypes
import Netlink

/// The real thing: rtnetlink and /proc/sys, in the plugin's namespace (the host side) and in the pod's.
///
/// Each step is one batch of netlink requests, that is one system call to send it, so a kill falls between steps or has
/// all of one done.
package final class LinuxWiring: PodWiring {
    private var namespace: NetworkNamespace?
    private var host: NetlinkSocket?
    private var pod: NetlinkSocket?
    /// Of both ends of the veth, once it is made: each in its own namespace.
    private var hostIndex: Int32 = 0
    private var podIndex: Int32 = 0

    package init() {}

    package func openNamespace(_ path: String) throws(WiringError) {
        do throws(SystemError) {
            let opened = try NetworkNamespace(path: path)
            guard try opened.id != NetworkNamespace.current().id else {
                throw SystemError("open network namespace", .invalid, path, detail: "it is the plugin's own")
            }
            namespace = consume opened
        } catch {
            switch error.errno {
            case .noEntry, .notDirectory: throw WiringError(.noNamespace, "\(error)")
            case .invalid: throw WiringError(.notANamespace, "\(error)")
            default: throw WiringError(error)
            }
        }
    }

    package func hostLinkIsUp(_ name: String) throws(WiringError) -> Bool? {
        try withHost { (socket) throws(SystemError) in try socket.link(.name(name))?.isUp }
    }

    package func createVeth(_ hostInterface: String, peer interface: String) throws(WiringError) -> UInt32 {
        guard let peerNamespace = namespace?.fd.raw else { throw Self.noNamespace }
        // The MAC addresses are no endpoint's, and come later; but a device without one that was set is given one by the
        // host's udev rules, whenever they get to it.
        let hostEnd = VethEnd(name: hostInterface, mac: .gateway(endpoint: 0))
        let podEnd = VethEnd(name: interface, mac: .gateway(endpoint: 0), namespace: peerNamespace)
        let link = try withHost { (socket) throws(SystemError) in
            try socket.createVeth(hostEnd, peer: podEnd)
        }
        hostIndex = link.index
        guard let peer = link.peerIndex else {
            throw WiringError(.failed, "create link \(hostInterface): the kernel does not tell its peer")
        }
        podIndex = peer
        return UInt32(bitPattern: link.index)
    }

    package func configurePod(_ plan: WiringPlan) throws(WiringError) {
        guard let socket = try enterNamespace(plan) else { throw Self.noNamespace }
        pod = consume socket
        let index = podIndex
        // The host side is down, so there is no carrier, and no link-local address before the mode is set.
        let generates = plan.hasIPv6 ? false : nil
        var requests = [
            NetlinkRequest.setLink(.name("lo"), LinkChange(isUp: true)),
            .setLink(
                .index(index),
                LinkChange(isUp: true, mtu: plan.mtu, mac: plan.podMAC, generatesIPv6Address: generates)),
        ]
        for leg in plan.legs {
            let flags = leg.address.isIPv4 ? 0 : LinkAddress.noDAD | LinkAddress.noPrefixRoute
            requests.append(.addAddress(LinkAddress(link: index, address: leg.address, flags: flags)))
            requests.append(
                .replaceNeighbour(Neighbour(link: index, address: leg.gateway, mac: plan.gatewayMAC)))
        }
        for leg in plan.legs {
            requests.append(
                .addRoute(Route(leg.defaultRoute, link: index, gateway: leg.gateway, isOnLink: true)))
        }
        try withPod { (socket) throws(SystemError) in try socket.perform(requests) }
        try settle { () throws(SystemError) in try Self.setHostSysctls(plan) }
    }

    package func bringUpHost(_ plan: WiringPlan) throws(WiringError) {
        let index = hostIndex
        // A link-local address would bring duplicate address detection and multicast reports into the pod's link.
        let quiet = NetlinkRequest.setLink(.index(index), LinkChange(generatesIPv6Address: false))
        var requests = [
            quiet.tolerating(.notSupported, Self.noIPv6),
            .setLink(.index(index), LinkChange(isUp: true, mtu: plan.mtu, mac: plan.gatewayMAC)),
        ]
        for leg in plan.legs {
            requests.append(
                .replaceNeighbour(Neighbour(link: index, address: leg.address, mac: plan.podMAC)))
            requests.append(.replaceRoute(Route(Prefix(host: leg.address), link: index)))
        }
        try withHost { (socket) throws(SystemError) in try socket.perform(requests) }
        try waitForPodToSend()
    }

    package func deleteVeth(_ hostInterface: String) throws(WiringError) {
        try withHost { (socket) throws(SystemError) in try socket.deleteLink(.name(hostInterface)) }
    }

    package func deleteOwnVeth() throws(WiringError) {
        let index = hostIndex
        guard index != 0 else { return }
        // The kernel gives a number again after 2^31 others.
        try withHost { (socket) throws(SystemError) in try socket.deleteLink(.index(index)) }
        hostIndex = 0
    }

    /// The pod's side has its carrier from the moment that the host side is up, but sends nothing before the kernel's
    /// link watch has seen that; the first packets would be lost, and TCP would wait a second for its next try.
    ///
    /// Asking for the link makes kernels from 6.8 on do it at once; older ones take their time, a few milliseconds. It
    /// comes without this plugin too, so there is no failing after a long wait.
    private func waitForPodToSend() throws(WiringError) {
        let index = podIndex
        for _ in 0..<500 {
            let link = try withPod { (socket) throws(SystemError) in try socket.link(.index(index)) }
            guard let link, !link.isRunning else { return }
            usleep(1_000)
        }
    }

    /// Makes the pod's socket, and the settings that only /proc has while the thread is in the namespace anyway.
    private func enterNamespace(_ plan: WiringPlan) throws(WiringError) -> NetlinkSocket? {
        try settle { () throws(SystemError) in
            try namespace?.result { () throws(SystemError) in
                if plan.hasIPv6 { try Self.setPodSysctls(plan) }
                return try NetlinkSocket()
            }.get()
        }
    }
}

// MARK: - Sysctls

extension LinuxWiring {
    private static let noIPv6 = Errno(rawValue: EAFNOSUPPORT)

    /// Of an IPv6 pod. Runtimes may have turned IPv6 off in a namespace that they made.
    private static func setPodSysctls(_ plan: WiringPlan) throws(SystemError) {
        let folder = "net/ipv6/conf/\(plan.interface)"
        try Sysctl.ensure("\(folder)/disable_ipv6", "0")
        try Sysctl.ensure("\(folder)/accept_dad", "0")
        try Sysctl.ensure("\(folder)/accept_ra", "0")
    }

    private static func setHostSysctls(_ plan: WiringPlan) throws(SystemError) {
        let ipv4 = "net/ipv4/conf/\(plan.hostInterface)"
        // New devices inherit the host's defaults, so that mostly nothing has to be written.
        try Sysctl.ensure("\(ipv4)/forwarding", "1")
        try Sysctl.ensure("\(ipv4)/proxy_arp", "0")
        // Strict filtering (1) would look at routes that replies need not have; the datapath checks sources itself.
        if try Sysctl.read("\(ipv4)/rp_filter") == "1" { try Sysctl.write("\(ipv4)/rp_filter", "0") }
        // ENOENT: the host does without IPv6.
        try SystemError.ignoring(.noEntry) { () throws(SystemError) in
            try Sysctl.ensure("net/ipv6/conf/\(plan.hostInterface)/accept_ra", "0")
        }
    }
}

// MARK: - Inspection

extension LinuxWiring {
    package func inspect(_ plan: WiringPlan) throws(WiringError) -> WiringSnapshot {
        let socket = try settle { () throws(SystemError) in
            try namespace?.result { () throws(SystemError) in try NetlinkSocket() }.get()
        }
        guard let socket else { throw Self.noNamespace }
        pod = consume socket
        return WiringSnapshot(
            host: try withHost { (socket) throws(SystemError) in try Self.side(plan.hostInterface, &socket) },
            pod: try withPod { (socket) throws(SystemError) in try Self.side(plan.interface, &socket) })
    }

    private static func side(
        _ name: String, _ socket: inout NetlinkSocket
    ) throws(SystemError) -> WiringSnapshot.Side? {
        guard let link = try socket.link(.name(name)) else { return nil }
        var side = WiringSnapshot.Side(mac: link.mac, isUp: link.isUp, neighbours: [:], routes: [:])
        for neighbour in try socket.neighbours(of: link.index) where neighbour.isPermanent {
            side.neighbours[neighbour.address] = neighbour.mac
        }
        for route in try socket.routes(link: link.index) where route.kind == .unicast {
            side.routes[route.destination] = .some(route.gateway)
        }
        for address in try socket.addresses(of: link.index) where address.link == link.index {
            guard let prefix = Prefix(address.address, length: address.prefixLength) else { continue }
            side.addresses.insert(prefix)
        }
        return side
    }
}

// MARK: - Sockets

extension LinuxWiring {
    private static let noNamespace = WiringError(.failed, "the pod's namespace is not open")

    @discardableResult
    private func withHost<Value>(
        _ body: (inout NetlinkSocket) throws(SystemError) -> Value
    ) throws(WiringError) -> Value {
        try Self.with(&host, body)
    }

    @discardableResult
    private func withPod<Value>(
        _ body: (inout NetlinkSocket) throws(SystemError) -> Value
    ) throws(WiringError) -> Value {
        try Self.with(&pod, body)
    }

    /// Opens the socket, in this thread's namespace, if it isn't yet; keeps it for the next step.
    private static func with<Value>(
        _ slot: inout NetlinkSocket?, _ body: (inout NetlinkSocket) throws(SystemError) -> Value
    ) throws(WiringError) -> Value {
        do throws(SystemError) {
            if slot == nil { slot = try NetlinkSocket() }
            guard var socket = slot.take() else { throw SystemError("socket", .invalid, "netlink") }
            let result = Result { () throws(SystemError) in try body(&socket) }
            slot = consume socket
            return try result.get()
        } catch {
            throw WiringError(error)
        }
    }

    private func settle<Value: ~Copyable>(
        _ body: () throws(SystemError) -> Value
    ) throws(WiringError) -> Value {
        do throws(SystemError) { return try body() } catch { throw WiringError(error) }
    }
}

extension WiringError {
    init(_ error: SystemError) {
        let isTaken = error.errno == .exists && error.call == "create link"
        self.init(isTaken ? .interfaceExists : .failed, error.description)
    }
}
