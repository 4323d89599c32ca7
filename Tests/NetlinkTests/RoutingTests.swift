// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import NetTypes
import Netlink
import Testing

@Suite(.enabled(if: geteuid() == 0, "needs root")) struct RoutingTests {
    /// The wiring of a pod: its two addresses, link-local gateways, default routes by them.
    private func wire(_ wire: inout Wire) throws -> (host: Int32, pod: Int32) {
        let (host, pod) = try wire.connect()
        let mac = MACAddress.gateway(endpoint: 1)
        let (gateway4, gateway6) = (try ip("169.254.1.1"), try ip("fe80::1"))
        try wire.pod.perform([
            .replaceAddress(LinkAddress(link: pod, address: try ip("10.0.0.5"))),
            .replaceAddress(LinkAddress(link: pod, address: try ip("fd00::5"), flags: LinkAddress.noDAD)),
            .replaceNeighbour(Neighbour(link: pod, address: gateway4, mac: mac)),
            .replaceNeighbour(Neighbour(link: pod, address: gateway6, mac: mac)),
            .replaceRoute(Route(.allIPv4, link: pod, gateway: gateway4, isOnLink: true)),
            .replaceRoute(Route(.allIPv6, link: pod, gateway: gateway6, isOnLink: true)),
        ])
        return (host, pod)
    }

    @Test func `a pod is wired, and wired again without error`() throws {
        var both = try Wire()
        let (_, pod) = try wire(&both)
        let addresses = try both.pod.addresses(of: pod).filter { !$0.address.isLinkLocal }
        #expect(addresses.map(\.description) == ["10.0.0.5/32 dev \(pod)", "fd00::5/128 dev \(pod)"])
        // IFA_F_TENTATIVE: not usable yet.
        #expect(addresses.allSatisfy { $0.flags & 0x40 == 0 })
        let routes = try both.pod.routes(link: pod).filter { $0.gateway != nil }
        #expect(
            routes.map(\.description) == [
                "0.0.0.0/0 via 169.254.1.1 dev \(pod) onlink", "::/0 via fe80::1 dev \(pod) onlink",
            ])
        let neighbours = try both.pod.neighbours(of: pod).filter(\.isPermanent)
        #expect(Set(neighbours.map(\.address)) == [try ip("169.254.1.1"), try ip("fe80::1")])
        #expect(neighbours.allSatisfy { $0.mac == .gateway(endpoint: 1) })

        for (target, gateway, source) in [
            ("10.9.9.9", "169.254.1.1", "10.0.0.5"), ("fd00::9", "fe80::1", "fd00::5"),
        ] {
            let found = try both.pod.route(to: try ip(target))
            #expect(found?.link == pod)
            #expect(found?.gateway?.description == gateway)
            #expect(found?.source?.description == source)
        }
        let before = try both.pod.routes(link: pod)
        try both.pod.perform([
            .replaceAddress(LinkAddress(link: pod, address: try ip("10.0.0.5"))),
            .replaceRoute(Route(.allIPv4, link: pod, gateway: try ip("169.254.1.1"), isOnLink: true)),
            .replaceRoute(Route(.allIPv6, link: pod, gateway: try ip("fe80::1"), isOnLink: true)),
        ])
        let after = try both.pod.routes(link: pod)
        #expect(before == after)
    }

    @Test(arguments: [
        Route.Kind.unreachable, .blackhole, .prohibit,
    ])
    func `routes without a link lead nowhere`(kind: Route.Kind) throws {
        var both = try Wire()
        _ = try wire(&both)
        for (range, target) in [("10.0.0.0/8", "10.1.1.1"), ("fd00::/8", "fd00::9")] {
            try both.pod.perform(.replaceRoute(Route(try prefix(range), kind: kind)))
            let found = try both.pod.route(to: try ip(target))
            #expect(found == nil || found?.kind != .unicast)
            let listed = try both.pod.routes().first { $0.destination.description == range }
            #expect(listed?.kind == kind)
            try both.pod.perform(.deleteRoute(Route(try prefix(range), kind: kind)))
            let rest = try both.pod.routes().contains { $0.destination.description == range }
            #expect(!rest)
        }
    }

    @Test(arguments: ["10.2.0.1/32", "fd00::7/128"])
    func `a host route is added once, listed with all it has, and deleted once`(text: String) throws {
        var both = try Wire()
        let (host, _) = try wire(&both)
        try both.host.perform([
            .addAddress(LinkAddress(link: host, address: try ip("10.7.0.1"))),
            .addAddress(LinkAddress(link: host, address: try ip("fd07::1"), flags: LinkAddress.noDAD)),
        ])
        let destination = try prefix(text)
        let route = Route(
            destination, link: host, source: try ip(destination.isIPv4 ? "10.7.0.1" : "fd07::1"), mtu: 1400, metric: 50)
        try both.host.perform(.addRoute(route))
        let listed = try both.host.routes(link: host).first { $0.destination == destination }
        #expect(listed == route)
        #expect(throws: SystemError.self) { () throws in try both.host.perform(.addRoute(route)) }
        var changed = route
        changed.mtu = 1300
        try both.host.perform(.replaceRoute(changed))
        let routes = try both.host.routes(link: host).filter { $0.destination == destination }
        #expect(routes == [changed])
        try both.host.perform(.deleteRoute(changed))
        try both.host.perform(.deleteRoute(changed).tolerating(.noProcess))
        let rest = try both.host.routes(link: host).filter { $0.destination == destination }
        #expect(rest.isEmpty)
    }

    @Test func `a table of its own is listed alone, and an unknown one is empty`() throws {
        var both = try Wire()
        let (host, _) = try wire(&both)
        let route = Route(try prefix("10.3.0.0/16"), link: host, table: 4711)
        try both.host.perform(.replaceRoute(route))
        let own = try both.host.routes(table: 4711)
        #expect(own.map(\.destination) == [route.destination])
        let main = try both.host.routes()
        #expect(!main.contains { $0.destination == route.destination })
        let unknown = try both.host.routes(table: 4712)
        #expect(unknown.isEmpty)
    }

    @Test func `the kernel's explanation is in the error`() throws {
        var both = try Wire()
        let (host, _) = try wire(&both)
        let route = Route(.allIPv4, link: host, gateway: try ip("169.254.1.1"))
        let text: String
        do throws(SystemError) {
            try both.host.perform(.addRoute(route))
            text = ""
        } catch { text = error.description }
        #expect(
            text == "add route 0.0.0.0/0 via 169.254.1.1 dev \(host): Network is unreachable (ENETUNREACH): "
                + "Nexthop has invalid gateway")
    }

    @Test func `addresses and neighbours are taken away`() throws {
        var both = try Wire()
        let (_, pod) = try wire(&both)
        // Neighbours first: an interface that loses its last address loses these.
        for text in ["169.254.1.1", "fe80::1"] {
            let request = NetlinkRequest.deleteNeighbour(try ip(text), link: pod)
            try both.pod.perform(request)
            try both.pod.perform(request.tolerating(.noEntry))
        }
        for text in ["10.0.0.5", "fd00::5"] {
            let address = LinkAddress(link: pod, address: try ip(text))
            try both.pod.perform(.deleteAddress(address))
            try both.pod.perform(.deleteAddress(address).tolerating(.addressNotAvailable))
        }
        let addresses = try both.pod.addresses(of: pod).filter { !$0.address.isLinkLocal }
        #expect(addresses.isEmpty)
        let neighbours = try both.pod.neighbours(of: pod).filter(\.isPermanent)
        #expect(neighbours.isEmpty)
        let all = try both.pod.addresses()
        #expect(!all.contains { $0.address == (try? ip("10.0.0.5")) })
    }

    @Test func `there is no way where no route is`() throws {
        var both = try Wire()
        let routes = (try both.host.route(to: try ip("10.0.0.1")), try both.host.route(to: try ip("fd00::1")))
        #expect(routes.0 == nil)
        #expect(routes.1 == nil)
    }
}

@Suite(.enabled(if: geteuid() == 0, "needs root")) struct TrafficFilterTests {
    @Test func `clsact is added and taken away, each twice`() throws {
        var wire = try Wire()
        let (link, _) = try wire.connect()
        for direction in TrafficDirection.allCases {
            let filters = try wire.host.filters(link: link, direction: direction)
            #expect(filters.isEmpty)
        }
        try wire.host.perform([.addClsact(link: link), .addClsact(link: link)])
        for direction in TrafficDirection.allCases {
            let filters = try wire.host.filters(link: link, direction: direction)
            #expect(filters.isEmpty)
            try wire.host.perform(.deleteFilter(link: link, direction: direction).tolerating(.noEntry, .invalid))
        }
        try wire.host.perform(.deleteClsact(link: link))
        try wire.host.perform(.deleteClsact(link: link).tolerating(.noEntry, .invalid))
    }

    @Test func `what is no program is refused by name`() throws {
        var wire = try Wire()
        let (link, _) = try wire.connect()
        try wire.host.perform(.addClsact(link: link))
        let file = try OwnedFD.open("/dev/null", O_RDONLY)
        let failed: SystemError?
        do throws(SystemError) {
            try wire.host.perform(
                .replaceFilter(link: link, direction: .egress, program: file.raw, name: "to_pod"))
            failed = nil
        } catch { failed = error }
        #expect(failed?.errno == .invalid)
        #expect(failed?.context == "to_pod on egress of link \(link)")
    }
}
