// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import NetTypes

/// The result of ADD, as the versions of the specification want it, and as CHECK reads it back.
struct CNIResult: Hashable, Sendable {
    struct Interface: Hashable, Sendable {
        var name: String
        var mac: String?
        /// Since 1.1.0.
        var mtu: UInt32?
        /// Path of the namespace; absent or empty for interfaces of the host.
        var sandbox: String?
    }

    struct Address: Hashable, Sendable {
        /// "4" or "6", before 1.0.0 only.
        var version: String?
        /// With the prefix length.
        var address: String
        var gateway: String?
        /// Index into `interfaces`.
        var interface: Int?
    }

    struct Route: Hashable, Sendable {
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
        do throws(JSONError) {
            self = try CNIResult(json: value)
        } catch {
            throw CNIError(.invalidConfiguration, "prevResult can't be read", details: error.description)
        }
    }
}

extension CNIResult: JSONConvertible {
    init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        cniVersion = try object.required("cniVersion")
        interfaces = try object.optional("interfaces")
        ips = try object.optional("ips")
        routes = try object.optional("routes")
        dns = try object.optional("dns")
    }

    var json: JSONValue {
        .object([
            "cniVersion": cniVersion.json,
            "dns": dns?.json,
            "interfaces": interfaces?.json,
            "ips": ips?.json,
            "routes": routes?.json,
        ])
    }
}

extension CNIResult.Interface: JSONConvertible {
    init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        name = try object.required("name")
        mac = try object.optional("mac")
        mtu = try object.optional("mtu")
        sandbox = try object.optional("sandbox")
    }

    var json: JSONValue {
        .object(["mac": mac?.json, "mtu": mtu?.json, "name": name.json, "sandbox": sandbox?.json])
    }
}

extension CNIResult.Address: JSONConvertible {
    init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        version = try object.optional("version")
        address = try object.required("address")
        gateway = try object.optional("gateway")
        interface = try object.optional("interface")
    }

    var json: JSONValue {
        .object([
            "address": address.json,
            "gateway": gateway?.json,
            "interface": interface?.json,
            "version": version?.json,
        ])
    }
}

extension CNIResult.Route: JSONConvertible {
    init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        dst = try object.required("dst")
        gw = try object.optional("gw")
    }

    var json: JSONValue { .object(["dst": dst.json, "gw": gw?.json]) }
}
