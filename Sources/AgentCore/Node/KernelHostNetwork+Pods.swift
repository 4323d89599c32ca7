// SPDX-License-Identifier: Apache-2.0
import Kernel
import NetTypes
import Netlink

// The host's side of pods' links, which the CNI plugin makes and others may damage: a device that is set down loses its
// routes and neighbour entries.
extension KernelHostNetwork {
    package func restorePodLinks(_ wanted: [PodLink]) throws -> PodLinkRepair {
        var repair = PodLinkRepair()
        guard !wanted.isEmpty else { return repair }
        var socket = try NetlinkSocket()
        // A single link is asked for by itself: the tables may be long.
        let only = wanted.count == 1 ? wanted.first.map { Int32(bitPattern: $0.index) } : nil
        let links = try only.map { index in try socket.link(.index(index)).map { [$0] } ?? [] } ?? socket.links()
        let upLinks = Dictionary(links.filter(\.isUp).map { (UInt32(bitPattern: $0.index), $0) }) { $1 }
        let routes = Set(try socket.routes(link: only).compactMap { Way($0) })
        let neighbours = Set(try socket.neighbours(of: only).filter(\.isPermanent).compactMap { Entry($0) })
        for pod in wanted {
            // Whoever has set it down wants it so.
            guard let link = upLinks[pod.index] else { continue }
            let index = link.index
            var missing: [(what: String, request: NetlinkRequest)] = []
            if link.mac != pod.mac {
                missing.append(("its MAC address", .setLink(.index(index), LinkChange(mac: pod.mac))))
            }
            for address in pod.addresses {
                let neighbour = Neighbour(link: index, address: address, mac: pod.podMAC)
                if !neighbours.contains(Entry(link: index, address: address, mac: pod.podMAC)) {
                    missing.append(("the neighbour entry of \(address)", .replaceNeighbour(neighbour)))
                }
                if !routes.contains(Way(link: index, address: address)) {
                    let route = Route(Prefix(host: address), link: index)
                    missing.append(("the route to \(address)", .replaceRoute(route)))
                }
            }
            for (what, request) in missing {
                do throws(SystemError) {
                    try socket.perform(request)
                    repair.repaired.append("\(pod.name): \(what)")
                } catch {
                    // A pod that ends meanwhile needs nothing.
                    if error.errno != .noDevice { repair.problems.append("\(pod.name): \(what): \(error)") }
                }
            }
        }
        return repair
    }

    /// A route to one address, straight by a link.
    private struct Way: Hashable {
        let link: Int32
        let address: IPAddress

        init(link: Int32, address: IPAddress) {
            self.link = link
            self.address = address
        }

        init?(_ route: Route) {
            guard route.kind == .unicast, route.gateway == nil, let link = route.link,
                route.destination == Prefix(host: route.destination.address)
            else { return nil }
            self.init(link: link, address: route.destination.address)
        }
    }

    private struct Entry: Hashable {
        let link: Int32
        let address: IPAddress
        let mac: MACAddress

        init(link: Int32, address: IPAddress, mac: MACAddress) {
            self.link = link
            self.address = address
            self.mac = mac
        }

        init?(_ neighbour: Neighbour) {
            guard let mac = neighbour.mac else { return nil }
            self.init(link: neighbour.link, address: neighbour.address, mac: mac)
        }
    }
}
