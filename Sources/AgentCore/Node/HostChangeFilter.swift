// SPDX-License-Identifier: Apache-2.0
import Netlink

/// Picks from all that happens in a network namespace what concerns the agent.
struct HostChangeFilter {
    /// What of a device decides about routes over it.
    private struct Traits: Equatable {
        let role: Role
        let isUp: Bool
        let isRunning: Bool
        let mtu: UInt32

        init(_ link: Link) {
            role = HostLink(link).isPodLink ? .pod : link.name == OverlayRequest.defaultName ? .overlay : .other
            isUp = link.isUp
            isRunning = link.isRunning
            mtu = link.mtu
        }
    }

    private enum Role { case pod, overlay, other }

    private var links: [Int32: Traits]
    /// Pods' links that somebody has set down. Those that were never up are still being made.
    private var downed: Set<Int32> = []

    init(links: [Link]) {
        self.links = Dictionary(links.map { ($0.index, Traits($0)) }) { $1 }
    }

    mutating func change(for notification: NetlinkNotification) -> HostChange? {
        switch notification {
        case .link(let link): return change(of: link)
        case .linkRemoved(let link):
            let isPod = role(of: link.index) == .pod
            links[link.index] = nil
            downed.remove(link.index)
            return .linkRemoved(index: UInt32(bitPattern: link.index), isPod: isPod)
        case .address(let address), .addressRemoved(let address):
            return role(of: address.link) == .other ? .addresses : nil
        case .route(let route): return role(of: route.link) == .other ? .routes : nil
        case .routeRemoved(let route):
            guard let link = route.link else { return .routes }
            switch role(of: link) {
            case .pod: return .podLink(index: UInt32(bitPattern: link))
            case .overlay: return .overlay
            case .other: return .routes
            }
        case .neighbour, .neighbourRemoved: return nil
        case .overflow: return .lost
        }
    }

    private mutating func change(of link: Link) -> HostChange? {
        let traits = Traits(link)
        let old = links.updateValue(traits, forKey: link.index)
        guard old != traits else { return nil }
        switch traits.role {
        case .pod:
            // What a link loses when it goes down it doesn't get back by itself.
            if old?.isUp == true, !traits.isUp { downed.insert(link.index) }
            guard traits.isUp, downed.remove(link.index) != nil else { return nil }
            return .podLink(index: UInt32(bitPattern: link.index))
        case .overlay: return old == nil ? nil : .overlay
        // IPv4 routes over a device that goes down vanish without a word of their own.
        case .other: return .routes
        }
    }

    private func role(of link: Int32?) -> Role { link.flatMap { links[$0]?.role } ?? .other }
}
