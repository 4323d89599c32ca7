// SPDX-License-Identifier: Apache-2.0
import NetTypes

extension WiringPlan {
    /// What of this plan is not there, in words, the most telling first; empty: all of it is.
    func differences(from snapshot: WiringSnapshot) -> [String] {
        hostDifferences(snapshot.host) + podDifferences(snapshot.pod)
    }

    private func hostDifferences(_ host: WiringSnapshot.Side?) -> [String] {
        let name = "host interface \(hostInterface)"
        guard let host else { return ["\(name) is gone"] }
        var found = linkDifferences(name, host, mac: gatewayMAC)
        for leg in legs {
            switch host.routes[Prefix(host: leg.address)] {
            case .some(.none): break
            case .some(.some(let gateway)): found.append("\(name): the route to \(leg.address) goes by \(gateway)")
            case .none: found.append("\(name): the route to \(leg.address) is gone")
            }
            found += neighbourDifferences(name, host, address: leg.address, mac: podMAC)
        }
        return found
    }

    private func podDifferences(_ pod: WiringSnapshot.Side?) -> [String] {
        let name = "pod interface \(interface)"
        guard let pod else { return ["\(name) is gone"] }
        var found = linkDifferences(name, pod, mac: podMAC)
        for leg in legs {
            if !pod.addresses.contains(Prefix(host: leg.address)) {
                found.append("\(name): the address \(Prefix(host: leg.address)) is gone")
            }
            switch pod.routes[leg.defaultRoute] {
            case .some(.some(leg.gateway)): break
            case .some: found.append("\(name): the route to \(leg.defaultRoute) does not go by \(leg.gateway)")
            case .none: found.append("\(name): the route to \(leg.defaultRoute) is gone")
            }
            found += neighbourDifferences(name, pod, address: leg.gateway, mac: gatewayMAC)
        }
        return found
    }

    private func linkDifferences(_ name: String, _ side: WiringSnapshot.Side, mac: MACAddress) -> [String] {
        var found: [String] = []
        if !side.isUp { found.append("\(name) is down") }
        if side.mac != mac {
            found.append("\(name) has the MAC address \(side.mac?.description ?? "-") instead of \(mac)")
        }
        return found
    }

    private func neighbourDifferences(
        _ name: String, _ side: WiringSnapshot.Side, address: IPAddress, mac: MACAddress
    ) -> [String] {
        switch side.neighbours[address] {
        case mac: []
        case .some(let other): ["\(name): the neighbour entry of \(address) says \(other) instead of \(mac)"]
        case .none: ["\(name): the permanent neighbour entry of \(address) is gone"]
        }
    }
}
