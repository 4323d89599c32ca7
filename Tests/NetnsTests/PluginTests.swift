// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import FoundationEssentials
import NetTypes
import Netlink
import TestSupport
import Testing

extension NetnsTests {
    @Suite struct PluginTests {
        @Test func `ADD prints the result of the version that was asked for, and VERSION lists those`() throws {
            try TestNode.with { node in
                let listed = try node.pluginVersion()
                #expect(listed.isSuccess)
                for version in ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
                    #expect(listed.output.contains("\"\(version)\""))
                    try Self.expectResult(of: version, on: node)
                }
            }
        }

        private static func expectResult(of version: String, on node: TestNode) throws {
            let pod = try TestPod(on: node, "pod")
            let result = try pod.add(cniVersion: version)
            let info = try #require(try node.client.endpoints().first)
            #expect(result.cniVersion == version)
            #expect(result.interfaces.count == 2)
            let (host, own) = (result.interfaces[0], result.interfaces[1])
            #expect(host.name == info.hostInterface && host.mac == "\(info.gatewayMAC)" && host.sandbox ?? "" == "")
            #expect(own.name == "eth0" && own.mac == "\(info.podMAC)" && own.sandbox == pod.namespace.path)
            #expect(host.mtu == (version == "1.1.0" ? 1_500 : nil))
            #expect(own.mtu == host.mtu)
            #expect(result.ips.map(\.address) == ["\(pod.address4)/32", "\(pod.address6)/128"])
            #expect(result.ips.map(\.gateway) == ["169.254.1.1", "fe80::1"])
            #expect(result.ips.map(\.interface) == [1, 1])
            #expect(result.ips.map(\.version) == (version < "1" ? ["4", "6"] : [nil, nil]))
            #expect(result.routes?.map(\.dst) == ["0.0.0.0/0", "::/0"])
            #expect(TestNode.range4.contains(pod.address4))
            #expect(TestNode.range6.contains(pod.address6))
            #expect(info.podName == "pod" && info.podNamespace == "default" && info.state == .ready)
            #expect(try pod.call("DEL", cniVersion: version).run(on: node).isSuccess)
        }

        @Test func `an interface that is there is not made again`() throws {
            try TestNode.with { node in
                let pod = try node.addPod("pod")
                let before = try node.traces()
                let again = try pod.tryAdd()
                #expect(again.exit == .code(1))
                #expect((again.error?.code ?? 0) >= 100)
                #expect(try node.traces() == before)
                try expect(on: node, [allowed(.ping, from: node.namespace, to: pod.addresses)])
            }
        }

        @Test func `a pod's own interface of that name is left alone, and nothing of ours stays`() throws {
            try TestNode.with { node in
                let before = try node.traces()
                let pod = try TestPod(on: node, "pod")
                _ = try pod.namespace.netlink { try $0.createVeth(VethEnd(name: "eth0"), peer: VethEnd(name: "other")) }
                let outcome = try pod.tryAdd()
                #expect(outcome.error?.code == 102)
                #expect(try node.traces() == before)
                #expect(try pod.namespace.netlink { try $0.links() }.count == 3)
            }
        }

        @Test func `DEL takes everything back, and succeeds again, and for what is unknown`() throws {
            try TestNode.with { node in
                let before = try node.traces()
                let pod = try node.addPod("pod")
                #expect(try node.traces() != before)
                for _ in 1...3 { try pod.del() }
                #expect(try node.traces() == before)
                #expect(try pod.namespace.netlink { try $0.links() }.map(\.name) == ["lo"])
                try TestPod(on: node, "stranger").del()

                // The runtime may have lost the namespace before.
                let homeless = try node.addPod("homeless")
                homeless.namespace.delete()
                var call = homeless.call("DEL")
                call.netns = ""
                #expect(try call.run(on: node).isSuccess)
                try node.waitUntil("nothing is left") { try node.traces() == before }
            }
        }

        @Test func `CHECK tells a whole pod from a damaged one`() throws {
            try TestNode.with { node in
                let pod = try TestPod(on: node, "pod")
                let result = try pod.tryAdd().output
                #expect(try pod.check(result).isSuccess)

                let damages: [(String, (inout NetlinkSocket, TestPod) throws -> Void)] = [
                    (
                        "address",
                        { socket, pod in
                            let link = try #require(try socket.link(.name("eth0")))
                            try socket.perform(
                                .deleteAddress(LinkAddress(link: link.index, address: pod.address4)))
                        }
                    ),
                    (
                        "route",
                        { socket, _ in
                            let routes = try socket.routes().filter { $0.destination == prefix("::/0") }
                            for route in routes where route.gateway != nil { try socket.perform(.deleteRoute(route)) }
                        }
                    ),
                    ("device", { socket, _ in _ = try socket.deleteLink(.name("eth0")) }),
                ]
                for (what, damage) in damages {
                    let pod = try TestPod(on: node, what)
                    let result = try pod.tryAdd().output
                    #expect(try pod.check(result).isSuccess)
                    try pod.namespace.netlink { try damage(&$0, pod) }
                    let outcome = try pod.check(result)
                    #expect(outcome.exit == .code(1), "\(what)")
                    #expect(outcome.error?.msg.isEmpty == false, "\(what)")
                    try pod.del()
                }
                #expect(try pod.check(result).isSuccess)
            }
        }

        @Test func `GC removes what the runtime does not know`() throws {
            try TestNode.with { node in
                let before = try node.traces()
                let pods = try ["one", "two", "three"].map { try node.addPod($0) }
                #expect(try node.collectGarbage(keeping: pods).isSuccess)
                #expect(try node.client.endpoints().count == 3)
                #expect(try node.collectGarbage(keeping: [pods[1]]).isSuccess)
                #expect(try node.client.endpoints().map(\.podName) == ["two"])
                #expect(try node.traces().devices.count == 1)
                try expect(on: node, [allowed(.ping, from: node.namespace, to: pods[1].addresses)])
                #expect(try node.collectGarbage(keeping: []).isSuccess)
                #expect(try node.traces() == before)
            }
        }

        @Test func `an agent that is away is told from one that refuses`() throws {
            try TestNode.with { node in
                #expect(try node.pluginStatus().isSuccess)
                try node.kill()
                let status = try node.pluginStatus()
                #expect(status.exit == .code(1))
                #expect(status.error?.code == 50)

                let pod = try TestPod(on: node, "pod")
                let outcome = try pod.tryAdd()
                #expect(outcome.exit == .code(1))
                #expect(outcome.error?.code == 11)
                #expect(outcome.duration < .seconds(1))
                #expect(try pod.namespace.netlink { try $0.links() }.map(\.name) == ["lo"])
                #expect(try node.traces().devices.isEmpty)

                try node.start()
                #expect(try node.pluginStatus().isSuccess)
                try pod.add()
                // As a runtime does that found a prevResult of another plugin.
                var chained = try TestPod(on: node, "chained").call("ADD")
                chained.members = ["\"prevResult\": {\"cniVersion\": \"1.1.0\", \"ips\": []}"]
                let refused = try chained.run(on: node)
                #expect(refused.exit == .code(1))
                #expect(refused.error.map { $0.code != 11 } == true)
            }
        }

        @Test func `DEL succeeds while the agent is away, which finishes it at its start`() throws {
            // One address of each family to give away.
            let ranges = [prefix("10.244.1.8/31"), prefix("fd00:10:244:1::8/127")]
            try TestNode.with(ranges: ranges) { node in
                let before = try node.traces()
                let pods = try ["one", "two"].map { try node.addPod($0) }
                #expect(try TestPod(on: node, "third").tryAdd().exit == .code(1), "there is no third address")
                try node.kill()
                try pods[0].del()
                try pods[0].del()
                #expect(try node.traces().devices.count == 1)
                try node.start()
                #expect(try node.client.endpoints().map(\.podName) == ["two"])
                let next = try node.addPod("next")
                #expect(Set(next.addresses) == Set(pods[0].addresses))
                try expect(on: node, [allowed(.ping, next, pods[1])])

                // Its notes are read while it runs, too.
                var call = next.call("DEL")
                call.socket = node.directory.file("nobody.sock")
                #expect(try call.run(on: node).isSuccess)
                try node.waitUntil("the note is read") { try node.client.endpoints().map(\.podName) == ["two"] }
                try pods[1].del()
                #expect(try node.traces() == before)
            }
        }

        @Test func `a pod whose device vanished is given up, and wired anew`() throws {
            try TestNode.with { node in
                let before = try node.traces()
                let pod = try node.addPod("pod")
                let addresses = pod.addresses
                _ = try pod.namespace.netlink { try $0.deleteLink(.name("eth0")) }
                try node.waitUntil("the endpoint is gone") { try node.client.endpoints().first?.state == .gone }
                try pod.add()
                #expect(pod.addresses == addresses)
                try expect(on: node, [allowed(.ping, from: node.namespace, to: pod.addresses)])
                try pod.del()
                #expect(try node.traces() == before)
            }
        }
    }
}
