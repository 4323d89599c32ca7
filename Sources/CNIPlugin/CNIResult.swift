// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import FoundationEssentials
import NetTypes

/// The result of ADD, as the versions of the specification want it, and as CHECK reads it back.
struct CNIResult: Hashable, Sendable, Codable {
    struct Interface: Hashable, Sendable, Codable {
        var name: String
        var mac: String?
        /// Since 1.1.0.
        var mtu: UInt32?
        /// Path of the namespace; absent or empty for interfaces of the host.
        var sandbox: String?
    }

    struct Address: Hashable, Sendable, Codable {
        /// "4" or "6", before 1.0.0 only.
        var version: String?
        /// With the prefix length.
        var address: String
        var gateway: String?
        /// Index into `interfaces`.
        var interface: Int?
    }

    struct Route: Hashable, Sendable, Codable {
        var dst: String
        var gw: String?
    }

    var cniVersion: String
    var interfaces: [Interface]?
    var ips: [Address]?
    var routes: [Route]?
    var dns: DNSConfiguration?

    /// What a finished ADD prints.
    init(_ plan: WiringPlan, version: CNIVersion, dns: DNSConfiguration?) {
        let mtu = version >= .v1_1_0 ? plan.mtu : nil
        cniVersion = version.rawValue
        interfaces = [
            Interface(name: plan.hostInterface, mac: plan.gatewayMAC.description, mtu: mtu),
            Interface(name: plan.interface, mac: plan.podMAC.description, mtu: mtu, sandbox: plan.netns),
        ]
        ips = plan.legs.map { leg in
            Address(
                version: version < .v1_0_0 ? (leg.address.isIPv4 ? "4" : "6") : nil,
                address: Prefix(host: leg.address).description, gateway: leg.gateway.description, interface: 1)
        }
        routes = plan.legs.map { leg in
            Route(dst: leg.defaultRoute.description, gw: leg.gateway.description)
        }
        self.dns = dns
    }

    /// Reads `prevResult`.
    init(decoding value: JSONValue) throws(CNIError) {
        do {
            self = try JSONDecoder().decode(CNIResult.self, from: try JSONText.encode(value))
        } catch {
            throw CNIError(.invalidConfiguration, "prevResult can't be read", details: JSONText.describe(error))
        }
    }
}
