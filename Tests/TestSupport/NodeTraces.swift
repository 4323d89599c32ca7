// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import Kernel
import NetTypes
import Netlink

/// What a node holds on account of its pods. Equal to that of an idle node when nothing is left behind.
package struct PodTraces: Hashable, Sendable, CustomStringConvertible {
    /// Host sides of veths.
    package var devices: Set<String> = []
    /// Routes into the pod ranges.
    package var routes: Set<String> = []
    /// Permanent neighbours within the pod ranges.
    package var neighbours: Set<String> = []
    /// Files in the bpffs.
    package var pins: Set<String> = []
    /// Files in the run directory: endpoints and notes about deleted ones.
    package var files: Set<String> = []
    /// Endpoints that the agent knows, by number; empty when no agent runs.
    package var endpoints: Set<UInt16> = []
    /// Addresses taken.
    package var usedAddresses: UInt64 = 0
    /// Rows of maps that are about endpoints.
    package var rows: Set<[String]> = []

    package var description: String {
        "devices \(devices.sorted()), routes \(routes.sorted()), neighbours \(neighbours.sorted()), "
            + "pins \(pins.sorted()), files \(files.sorted()), endpoints \(endpoints.sorted()), "
            + "\(usedAddresses) addresses, rows \(rows.map { $0.joined(separator: " ") }.sorted())"
    }
}

extension TestNode {
    /// What is there on account of pods, of this node and in its maps.
    package func traces() throws -> PodTraces {
        var traces = PodTraces()
        let isPods: (IPAddress) -> Bool = { TestNode.range4.contains($0) || TestNode.range6.contains($0) }
        try namespace.netlink { socket in
            traces.devices = Set(try socket.links().map(\.name).filter { $0.hasPrefix("skn") })
            traces.routes = Set(try socket.routes().filter { isPods($0.destination.address) }.map(\.description))
            traces.neighbours = Set(
                try socket.neighbours().filter { isPods($0.address) && $0.isPermanent }.map(\.description))
        }
        traces.pins = try Self.files(below: pins)
        for folder in ["endpoints", "deleted"] {
            traces.files.formUnion(try Self.files(below: "\(runDirectory)/\(folder)"))
        }
        guard pid != nil else { return traces }
        let client = client
        traces.endpoints = Set(try client.endpoints().map(\.number))
        traces.usedAddresses = try client.status().podRanges.reduce(0) { $0 + $1.used }
        for map in ["endpoints", "pods"] {
            // The node's own addresses are peers, too.
            let rows = try client.dump(map: map).rows.filter { row in
                map == "endpoints" || row.first.flatMap { IPAddress($0) }.map(isPods) ?? true
            }
            traces.rows.formUnion(rows.map { [map] + $0 })
        }
        return traces
    }

    private static func files(below folder: String) throws -> Set<String> {
        var found: Set<String> = []
        for name in try Directory.namesIfThere(in: folder) {
            let path = "\(folder)/\(name)"
            if try Directory.isDirectory(path) {
                found.formUnion(try files(below: path))
            } else {
                found.insert(path)
            }
        }
        return found
    }
}
