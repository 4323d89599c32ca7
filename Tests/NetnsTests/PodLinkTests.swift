// SPDX-License-Identifier: Apache-2.0
import Kernel
import NetTypes
import Netlink
import TestSupport
import Testing

extension NetnsTests {
    /// The host's side of a pod's link, which others than Skein may touch.
    @Suite struct PodLinkTests {
        /// A device that goes down loses its routes and neighbour entries.
        private func setDownAndUp(_ device: String, of node: TestNode) throws {
            try node.namespace.netlink { socket in
                for isUp in [false, true] {
                    try socket.perform(.setLink(.name(device), LinkChange(isUp: isUp)))
                }
            }
        }

        @Test func `a pod's link that was set down works again when it is up`() throws {
            try TestNode.with { node in
                let pod = try node.addPod("pod")
                let echo = try EchoServer(in: pod, tcp: [80])
                defer { echo.stop() }
                let before = try node.traces()
                let device = try #require(before.devices.first)
                try setDownAndUp(device, of: node)
                #expect(try eventually { try node.traces() == before })
                try expect(on: node, [allowed(.tcp(80), from: node.namespace, to: pod.addresses)])

                // While there is no agent nobody puts anything back.
                try node.kill()
                try setDownAndUp(device, of: node)
                try node.start()
                #expect(try node.traces() == before)
                try expect(on: node, [allowed(.tcp(80), from: node.namespace, to: pod.addresses)])
            }
        }

        @Test func `routes and neighbour entries that were taken away come back`() throws {
            try TestNode.with { node in
                let pod = try node.addPod("pod")
                let before = try node.traces()
                try node.namespace.netlink { socket in
                    for address in pod.addresses {
                        let routes = try socket.routes().filter { $0.destination == Prefix(host: address) }
                        for route in routes {
                            let link = try #require(route.link)
                            try socket.perform(.deleteNeighbour(address, link: link))
                            try socket.perform(.deleteRoute(route))
                        }
                    }
                }
                #expect(try eventually { try node.traces() == before })
            }
        }

        @Test func `what is sent to addresses that no pod has goes nowhere`() throws {
            try TestNode.with { node in
                let ranges = [TestNode.range4, TestNode.range6]
                let wanted = Set(ranges.map { "unreachable \($0)" })
                func routes() throws -> Set<String> {
                    let routes = try node.namespace.netlink { try $0.routes() }
                    return Set(routes.filter { ranges.contains($0.destination) }.map { "\($0.kind) \($0.destination)" })
                }
                #expect(try routes() == wanted)
                try node.stop()
                #expect(try node.uninstall().isSuccess)
                #expect(try routes().isEmpty)
            }
        }

        @Test func `a device that was given another name goes with its pod`() throws {
            try TestNode.with { node in
                let idle = try node.traces()
                let pod = try node.addPod("pod")
                let device = try #require(try node.traces().devices.first)
                try node.namespace.run {
                    for change in [["down"], ["name", "mine"]] {
                        let result = try ChildProcess.run("/sbin/ip", ["link", "set", device] + change)
                        #expect(result.isSuccess, "\(result.errors)")
                    }
                }
                try pod.del()
                #expect(try node.traces() == idle)
                #expect(try node.namespace.netlink { try $0.link(.name("mine")) } == nil)
            }
        }
    }
}
