// SPDX-License-Identifier: Apache-2.0
import Datapath

/// A datapath that nothing was written to yet.
struct PreparedDatapath {
    /// Beyond that it is made anew: what it took over from the last agent goes on changing until it is put to work.
    static let lifetime: Int64 = 15_000

    let datapath: any DatapathControl
    /// That it was made for.
    let overlay: OverlayDevice?
    /// When; as `AgentClock` has it.
    let made: Int64
}

extension Agent {
    /// Makes the datapath for `start` while the source still collects what there is: the kernel takes seconds to check the
    /// programs. To be called before `start`, or not at all. Changes nothing that is live, but for a device for tunnels
    /// where there is none.
    package func prepare() throws {
        var device: OverlayDevice?
        if case .tunnel(let port, let isIPv6) = settings.routing {
            if let link = try host.link(named: OverlayRequest.defaultName) {
                // Pods use it: whether it fits is seen when it is known what it has to be.
                device = OverlayDevice(name: link.name, ifindex: link.index, port: port, isIPv6: isIPv6)
            } else {
                mtu = try podMTU()
                try makeOverlay()
                device = overlay
            }
        }
        prepared = PreparedDatapath(
            datapath: try makeDatapath(device), overlay: device, made: clock.milliseconds())
    }

    /// What was prepared, once; nil if there is nothing that fits what is wanted now.
    func takePrepared() -> (any DatapathControl)? {
        defer { prepared = nil }
        guard let prepared, prepared.overlay == overlay,
            clock.milliseconds() - prepared.made < PreparedDatapath.lifetime
        else { return nil }
        return prepared.datapath
    }
}
