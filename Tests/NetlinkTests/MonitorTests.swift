// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import NetTypes
import Netlink
import Testing

@Suite(.enabled(if: geteuid() == 0, "needs root"), .timeLimit(.minutes(1))) struct MonitorTests {
    /// What each notification is and of what, in few words.
    private func words(_ notification: NetlinkNotification) -> String {
        switch notification {
        case .link(let link): "+link \(link.name)"
        case .linkRemoved(let link): "-link \(link.name)"
        case .address(let address): "+address \(address.address)"
        case .addressRemoved(let address): "-address \(address.address)"
        case .route(let route): "+route \(route.destination)"
        case .routeRemoved(let route): "-route \(route.destination)"
        case .neighbour(let neighbour): "+neighbour \(neighbour.address)"
        case .neighbourRemoved(let neighbour): "-neighbour \(neighbour.address)"
        case .overflow: "overflow"
        }
    }

    @Test func `what happens in the namespace is told in order`() async throws {
        var wire = try Wire()
        let monitor = try NetlinkMonitor(NetlinkMonitor.Group.allCases, in: wire.hostNamespace)
        let (link, _) = try wire.connect()
        let address = LinkAddress(link: link, address: try ip("10.0.0.1"))
        let route = Route(try prefix("10.5.0.0/16"), link: link)
        let neighbour = try ip("10.5.0.1")
        try wire.host.perform([
            .addAddress(address), .addRoute(route),
            .replaceNeighbour(Neighbour(link: link, address: neighbour, mac: .gateway(endpoint: 1))),
            .deleteNeighbour(neighbour, link: link), .deleteRoute(route), .deleteAddress(address),
            .deleteLink(.index(link)),
        ])
        await expect(
            [
                "+link skn0", "+address 10.0.0.1", "+route 10.5.0.0/16", "+neighbour 10.5.0.1",
                "-neighbour 10.5.0.1", "-route 10.5.0.0/16", "-address 10.0.0.1", "-link skn0",
            ], from: monitor)
    }

    @Test func `IPv6 is told too`() async throws {
        var wire = try Wire()
        let monitor = try NetlinkMonitor([.ipv6Addresses, .ipv6Routes], in: wire.hostNamespace)
        let (link, _) = try wire.connect()
        try wire.host.perform(
            .addAddress(LinkAddress(link: link, address: try ip("fd00::1"), flags: LinkAddress.noDAD)))
        await expect(["+address fd00::1"], from: monitor)
        try wire.host.perform(.addRoute(Route(try prefix("fd05::/16"), link: link)))
        await expect(["+route fd05::/16"], from: monitor)
        try wire.host.deleteLink(.index(link))
        await expect(["-address fd00::1"], from: monitor)
    }

    /// Waits until these have come in this order, others in between.
    private func expect(_ expected: [String], from monitor: NetlinkMonitor) async {
        var pending = expected[...]
        for await notification in monitor.notifications {
            if words(notification) == pending.first { pending.removeFirst() }
            if pending.isEmpty { return }
        }
        Issue.record("the monitor ended before \(pending)")
    }

    @Test func `a reader that is too slow is told that it missed something`() async throws {
        let monitor = try flood()
        var words: [String] = []
        for await notification in monitor.notifications {
            words.append(self.words(notification))
            if words.last == "overflow" { break }
        }
        #expect(words.last == "overflow")
    }

    private func flood() throws -> NetlinkMonitor {
        var wire = try Wire()
        let monitor = try NetlinkMonitor([.links], in: wire.hostNamespace, capacity: 8)
        for i in 0..<50 { try wire.host.perform(.createBridge(named: "br\(i)")) }
        return monitor
    }

    @Test func `only the groups that were asked for are told, and stopping ends it`() async throws {
        let monitor = try addressesOnly()
        for await notification in monitor.notifications {
            let text = words(notification)
            #expect(text.contains("address"))
            if text == "+address 10.0.0.1" { monitor.stop() }
        }
    }

    private func addressesOnly() throws -> NetlinkMonitor {
        var wire = try Wire()
        let monitor = try NetlinkMonitor([.ipv4Addresses], in: wire.hostNamespace)
        let (link, _) = try wire.connect()
        try wire.host.perform(.addAddress(LinkAddress(link: link, address: try ip("10.0.0.1"))))
        return monitor
    }

    @Test func `releasing the monitor ends the stream`() async throws {
        let notifications = try NetlinkMonitor([.links]).notifications
        for await _ in notifications {}
    }
}
