// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import CNIPlugin
import Foundation
import NetTypes
import Testing

@Suite struct CheckTests {
    /// What the kernel has after ADD.
    private static func wired(_ plan: WiringPlan) -> WiringSnapshot {
        var host = WiringSnapshot.Side(mac: plan.gatewayMAC, isUp: true, neighbours: [:], routes: [:])
        var pod = WiringSnapshot.Side(mac: plan.podMAC, isUp: true, neighbours: [:], routes: [:])
        for leg in plan.legs {
            host.neighbours[leg.address] = plan.podMAC
            host.routes[Prefix(host: leg.address)] = .some(nil)
            pod.neighbours[leg.gateway] = plan.gatewayMAC
            pod.addresses.insert(Prefix(host: leg.address))
            let everywhere = Prefix(leg.address.isIPv4 ? "0.0.0.0/0" : "::/0")
            pod.routes[everywhere ?? Prefix(host: leg.address)] = .some(leg.gateway)
        }
        return WiringSnapshot(host: host, pod: pod)
    }

    /// Runs ADD, then CHECK with its result in a kernel that `change` has changed.
    private func check(
        _ version: String = "1.1.0", prevResult: (String) -> String = { $0 },
        agent change: (inout FakeAgent.State) -> Void = { _ in },
        kernel: @escaping (inout WiringSnapshot) -> Void = { _ in }
    ) throws -> Plugin.Outcome {
        var result: Plugin.Outcome?
        try withPlugin { test in
            test.version = version
            let added = test.run("ADD")
            #expect(added.exitCode == 0)
            let previous = prevResult(added.output)
            test.extra = previous.isEmpty ? "" : ",\"prevResult\":\(previous)"
            test.agent.change(change)
            test.wiring.snapshot = {
                var snapshot = Self.wired($0)
                kernel(&snapshot)
                return snapshot
            }
            result = test.run("CHECK")
        }
        return try #require(result)
    }

    private func message(_ outcome: Plugin.Outcome, code: Int = 103) throws -> String {
        let error = try #require(PluginTestCase.error(outcome))
        #expect(error.code == code)
        return error.msg
    }

    @Test(arguments: ["0.4.0", "1.0.0", "1.1.0"])
    func `says nothing when all is as ADD left it`(version: String) throws {
        let outcome = try check(version)
        #expect(outcome.exitCode == 0)
        #expect(outcome.output.isEmpty)
    }

    @Test(arguments: [
        ("", "prevResult is missing: CHECK compares with it"),
        ("null", "prevResult is missing: CHECK compares with it"),
        ("{}", "prevResult can't be read"),
        (#"{"cniVersion":"1.1.0"}"#, "prevResult has no interface eth0 in a container"),
        (
            #"{"cniVersion":"1.1.0","interfaces":[{"name":"eth0"}]}"#, "prevResult has no interface eth0 in a container"
        ),
        (
            #"{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","sandbox":"/a"}]}"#,
            "prevResult has no address on interface eth0"
        ),
        (
            #"{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","sandbox":"/a"}],"#
                + #""ips":[{"address":"10.0.0.5","interface":0}]}"#,
            "prevResult: \"10.0.0.5\" with gateway \"\" is no address of skein's"
        ),
    ])
    func `a prevResult that can't be compared is refused`(previous: String, expected: String) throws {
        #expect(try message(try check(prevResult: { _ in previous }), code: 7) == expected)
    }

    @Test func `the agent must know it`() throws {
        let outcome = try check(agent: { $0.endpoints = [:] })
        #expect(try message(outcome) == "container c0ffee interface eth0: the agent does not know it")
    }

    @Test(arguments: [EndpointState.pending, .gone])
    func `the agent must have it ready`(state: EndpointState) throws {
        let outcome = try check(agent: { $0.endpoints[PluginTestCase.key] = state })
        #expect(try message(outcome) == "container c0ffee interface eth0: the agent has it as \(state.rawValue)")
    }

    @Test func `the agent must have the same addresses`() throws {
        let outcome = try check(agent: { $0.ipv4 = IPAddress("10.0.0.9") })
        #expect(
            try message(outcome)
                == "container c0ffee interface eth0: prevResult and the agent have different addresses")
        #expect(
            PluginTestCase.error(outcome)?.details
                == "prevResult: 10.0.0.5, fd00::5; agent: 10.0.0.9, fd00::5")
    }

    @Test func `an agent that is away is no verdict`() throws {
        let outcome = try check(agent: { $0.faults["GET /v1/endpoints/c0ffee/eth0"] = .hangUp })
        #expect(PluginTestCase.code(outcome) == 11)
    }

    struct Damage: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let apply: @Sendable (inout WiringSnapshot) -> Void

        init(_ expected: String, _ apply: @escaping @Sendable (inout WiringSnapshot) -> Void) {
            testDescription = expected
            self.apply = apply
        }
    }

    private static let host = "host interface \(PluginTestCase.host)"
    private static let pod = "pod interface eth0"

    static let damages = [
        Damage("\(host) is gone") { $0.host = nil },
        Damage("\(host) is down") { $0.host?.isUp = false },
        Damage("\(host) has the MAC address - instead of 0a:5c:00:00:00:07") { $0.host?.mac = nil },
        Damage("\(host): the route to 10.0.0.5 is gone") { remove(&$0.host, route: "10.0.0.5/32") },
        Damage("\(host): the route to fd00::5 goes by fe80::2") { set(&$0.host, "fd00::5/128", "fe80::2") },
        Damage("\(host): the permanent neighbour entry of fd00::5 is gone") { remove(&$0.host, neighbour: "fd00::5") },
        Damage("\(pod) is gone") { $0.pod = nil },
        Damage("\(pod) is down") { $0.pod?.isUp = false },
        Damage("\(pod) has the MAC address 02:00:00:00:00:01 instead of 0a:5c:01:00:00:07") {
            $0.pod?.mac = MACAddress("02:00:00:00:00:01")
        },
        Damage("\(pod): the address 10.0.0.5/32 is gone") { $0.pod?.addresses.remove(prefix("10.0.0.5/32")) },
        Damage("\(pod): the address fd00::5/128 is gone") { $0.pod?.addresses.remove(prefix("fd00::5/128")) },
        Damage("\(pod): the route to ::/0 is gone") { remove(&$0.pod, route: "::/0") },
        Damage("\(pod): the route to 0.0.0.0/0 does not go by 169.254.1.1") { set(&$0.pod, "0.0.0.0/0", nil) },
        Damage("\(pod): the route to 0.0.0.0/0 does not go by 169.254.1.1") {
            set(&$0.pod, "0.0.0.0/0", "10.0.0.1")
        },
        Damage("\(pod): the permanent neighbour entry of 169.254.1.1 is gone") {
            remove(&$0.pod, neighbour: "169.254.1.1")
        },
        Damage("\(pod): the neighbour entry of fe80::1 says 02:00:00:00:00:01 instead of 0a:5c:00:00:00:07") {
            guard let address = IPAddress("fe80::1") else { return }
            $0.pod?.neighbours[address] = MACAddress("02:00:00:00:00:01")
        },
    ]

    private static func prefix(_ text: String) -> Prefix { Prefix(text) ?? Prefix(host: .unspecifiedIPv4) }

    private static func remove(_ side: inout WiringSnapshot.Side?, route: String) {
        side?.routes.removeValue(forKey: prefix(route))
    }

    private static func set(_ side: inout WiringSnapshot.Side?, _ route: String, _ gateway: String?) {
        side?.routes[prefix(route)] = .some(gateway.flatMap { IPAddress($0) })
    }

    private static func remove(_ side: inout WiringSnapshot.Side?, neighbour: String) {
        guard let address = IPAddress(neighbour) else { return }
        side?.neighbours.removeValue(forKey: address)
    }

    @Test(arguments: damages)
    func `what is not as ADD left it is named`(damage: Damage) throws {
        let outcome = try check(kernel: damage.apply)
        #expect(try message(outcome) == "container c0ffee interface eth0: \(damage.testDescription)")
        #expect(PluginTestCase.error(outcome)?.details == nil)
    }

    @Test func `all differences are told`() throws {
        let outcome = try check(kernel: {
            $0.host?.isUp = false
            $0.pod = nil
        })
        #expect(PluginTestCase.error(outcome)?.details == "pod interface eth0 is gone")
    }
}
