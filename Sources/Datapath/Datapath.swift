// SPDX-License-Identifier: Apache-2.0
package import BPF
import CDatapathABI
import Kernel
import NetTypes

/// The node's programs and maps. The only thing that writes them.
///
/// Making one adopts the maps that outlive the agent (connections, epoch, counters, events), makes a fresh set of all
/// others and loads the programs on both. Nothing is live until `attach` puts the programs on an endpoint's device, in the
/// place of those of an earlier start: fill the set first (`apply`, `setEndpoint`), then attach, then `finishStart`.
///
/// Not thread-safe: one owner. Dropping it leaves all that is pinned as it is.
package final class Datapath {
    package let configuration: DatapathConfiguration
    package let features: KernelFeatures
    let paths: PinPaths
    let clock: TickClock
    let rcu: ExpeditedRCU
    let object: BPFObject
    let set: MapSet
    let shared: SharedMaps
    /// The program on what a pod sends. For measuring and tests; `attach` is what puts it to work.
    package let fromEndpoint: BPFProgram
    /// The program on what the host's stack hands to a pod.
    package let toEndpoint: BPFProgram

    /// The programs on the overlay device, if there is one. For measuring and tests; `finishStart` puts them to work.
    package let overlay: OverlayPrograms?

    /// Where tunnels to other nodes end, by the node's number.
    var nodes: [UInt32: IPAddress] = [:]
    /// Endpoints with an element of their own, by number.
    var endpoints: [UInt16: LocalEndpoint] = [:]
    /// What the last `apply` left to be done after a grace period.
    var leftover: Leftover?
    /// Keys in `ports` of the rows that have a table there.
    var portTables: [PolicyRowReference: [port_key]] = [:]
    /// Which directions of a policy have a row for class 0: bits of `dp_view_flag`.
    var anyRows: [UInt32: UInt32] = [:]
    var lastTable: UInt32 = 0
    /// Entries of the connection table at its last sweep.
    var liveFlows = 0
    var evictedAtStart: UInt64 = 0
    var denyLists: DenyLists?
    var masquerading: Masquerading?

    /// Probes the kernel, makes the maps and loads the programs. Takes a few tenths of a second.
    ///
    /// Throws with nothing changed that was live.
    package init(_ configuration: DatapathConfiguration) throws {
        self.configuration = configuration
        let features = try KernelFeatures.probe()
        guard features.missing.isEmpty else {
            throw DatapathError.missingFeatures(features.missing.map(\.name))
        }
        self.features = features
        paths = PinPaths(root: configuration.pinDirectory)
        try paths.makeFolders()
        rcu = ExpeditedRCU(marker: configuration.rcuMarker)
        rcu.recover()
        clock = try TickClock()

        var spec = try BPFSpec(path: configuration.objectDirectory + "/endpoint.bpf.o")
        try spec.setConfig(configuration.settings(tickShift: clock.shift))
        let maps = MapSet.names + SharedMaps.names
        for (map, _, size) in configuration.sizes.all where maps.contains(map) {
            try spec.resize(map: map, maxEntries: size)
        }
        let pinned = PinnedMaps(names: SharedMaps.names.map { ($0, $0) }, paths: paths, sizes: configuration.sizes)
        let adopted = try pinned.adopt(into: &spec)
        object = try spec.load()
        fromEndpoint = try object.program("from_endpoint")
        toEndpoint = try object.program("to_endpoint")
        set = try MapSet(in: object)
        shared = try SharedMaps(in: object)
        let tunnels = configuration.overlay != nil
        overlay = tunnels ? try OverlayPrograms(configuration, tickShift: clock.shift, sharing: object) : nil
        try pinned.bringOver(to: shared.flows, pin: "flows")
        if !adopted.contains("flow_ring") { try fillFlowRing() }
        if !adopted.contains("state") { shared.bump(by: try unusedEpoch()) }
        try pinned.pin(object)
        evictedAtStart = try countEvicted()
    }

    /// After every endpoint of the restart is attached: pins the new set in the place of the old one's, removes the pins of
    /// endpoints that are no more and deny programs on other devices, and makes every flow be judged by the new set.
    ///
    /// - Parameter device: where an earlier start's deny program may stay until `setDenyLists`; nil: nowhere.
    package func finishStart(denyingOn device: String? = nil) throws {
        for name in MapSet.names {
            let map: MapHandle = try object.map(name)
            try map.pin(to: paths.set(name), replacing: true)
        }
        for name in try Directory.namesIfThere(in: paths.links) {
            if let number = PinPaths.number(ofLink: name) {
                if endpoints[number] == nil { try rcu.run { try unlink(number) } }
            } else if let other = PinPaths.device(ofLink: name), other != device {
                try BPFLink(pinned: paths.link(denyingOn: other)).detach()
                try BPFPin.remove(paths.link(denyingOn: other))
            }
        }
        try attachOverlay()
        try paths.removeOtherVersions()
        judgeAgain()
    }

    /// Under which flows are judged now; its lowest bit says which view of the endpoints is live.
    package var epoch: UInt32 { shared.epoch }

    /// Makes every flow be judged once more, on its next packet.
    package func judgeAgain() { shared.bump(by: 2) }

    /// Takes everything of Skein's out of the kernel: programs, links, pins and maps.
    ///
    /// - Parameter devices: host sides of veths that an earlier start may have put filters on, for kernels without TCX.
    package func detachAll(filtersOn devices: [UInt32] = []) throws {
        for number in endpoints.keys { try removeEndpoint(number) }
        for device in devices { try detachFilters(ifindex: device) }
        denyLists = nil
        try detachOverlay()
        try setNodeNAT(nil)
        try finishStart()
        try paths.removeFolders()
    }
}

extension DatapathConfiguration {
    func settings(tickShift: UInt8) -> dp_config {
        dp_config(
            event_rate: eventsPerSecond, tick_shift: tickShift, enable_ipv4: ipv4 ? 1 : 0, enable_ipv6: ipv6 ? 1 : 0,
            enable_fragments: fragments ? 1 : 0, enable_fib: fib ? 1 : 0, event_new: reportsNewFlows ? 1 : 0,
            event_drop: reportsDrops ? 1 : 0, count_hits: countsRuleHits ? 1 : 0,
            overlay_ifindex: overlay?.ifindex ?? 0, tunnel_port: overlay?.port.bigEndian ?? 0,
            tunnel_ipv6: overlay?.isIPv6 == true ? 1 : 0, pad: 0,
            flow_slots: UInt32(sizes.flows))
    }
}
