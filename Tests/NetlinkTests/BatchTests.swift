// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import NetTypes
import Netlink
import Testing

@Suite(.enabled(if: geteuid() == 0, "needs root")) struct BatchTests {
    @Test func `the error names the request that failed, and the others are done`() throws {
        var wire = try Wire()
        let (index, _) = try wire.connect()
        let good = [
            LinkAddress(link: index, address: try ip("10.0.0.1")),
            LinkAddress(link: index, address: try ip("10.0.0.2")),
        ]
        let failed: SystemError?
        do throws(SystemError) {
            try wire.host.perform([
                .addAddress(good[0]), .addAddress(LinkAddress(link: 999, address: good[0].address)),
                .addAddress(good[0]), .addAddress(good[1]),
            ])
            failed = nil
        } catch { failed = error }
        #expect(failed?.call == "add address")
        #expect(failed?.context == "10.0.0.1/32 dev 999")
        #expect(failed?.errno == .noDevice)
        let addresses = try wire.host.addresses(of: index)
        #expect(addresses.map(\.address).filter(\.isIPv4) == good.map(\.address))
    }

    @Test func `what is tolerated is no failure`() throws {
        var wire = try Wire()
        try wire.host.perform([
            .deleteLink(.name("nowhere")).tolerating(.noDevice),
            .deleteRoute(Route(try prefix("10.0.0.0/8"))).tolerating(.noProcess),
        ])
        #expect(throws: SystemError.self) {
            var wire = try Wire()
            try wire.host.perform(.deleteLink(.name("nowhere")).tolerating(.noEntry))
        }
    }

    @Test func `a socket works on after errors`() throws {
        var wire = try Wire()
        for _ in 0..<10 {
            _ = try? wire.host.perform(.deleteLink(.name("nowhere")))
            let links = try wire.host.links()
            #expect(links.map(\.name) == ["lo"])
        }
    }

    @Test func `more than one datagram's worth of requests, and of answers`() throws {
        var wire = try Wire()
        let (index, _) = try wire.connect()
        let count = 3000
        let start = try ip("10.1.0.0")
        let hosts = (0..<count).compactMap { start.advanced(by: UInt64($0)) }
        let mac = MACAddress.gateway(endpoint: 1)
        try wire.host.perform(hosts.map { .replaceRoute(Route(Prefix(host: $0), link: index)) })
        try wire.host.perform(
            hosts.prefix(500).map { .replaceNeighbour(Neighbour(link: index, address: $0, mac: mac)) })
        let routes = try wire.host.routes(link: index).filter(\.destination.isIPv4)
        #expect(Set(routes.map(\.destination)) == Set(hosts.map { Prefix(host: $0) }))
        let neighbours = try wire.host.neighbours(of: index).filter(\.isPermanent)
        #expect(neighbours.count == 500)
        try wire.host.perform(hosts.map { .deleteRoute(Route(Prefix(host: $0), link: index)) })
        let rest = try wire.host.routes(link: index).filter(\.destination.isIPv4)
        #expect(rest.isEmpty)
    }

    @Test func `nothing to do is done`() throws {
        var wire = try Wire()
        let answers = try wire.host.perform([])
        #expect(answers.isEmpty)
    }
}
