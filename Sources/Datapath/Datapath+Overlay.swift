// SPDX-License-Identifier: Apache-2.0
package import BPF
import CDatapathABI
import Kernel
package import NetTypes

/// The programs on the overlay device. They work on the same maps as those of the endpoints.
package final class OverlayPrograms {
    private let object: BPFObject
    /// The program on what comes out of tunnels. For measuring and tests; `finishStart` is what puts it to work.
    package let from: BPFProgram
    /// The program on what the host's stack sends into tunnels.
    package let to: BPFProgram

    init(_ configuration: DatapathConfiguration, tickShift: UInt8, sharing maps: borrowing BPFObject) throws {
        var spec = try BPFSpec(path: configuration.objectDirectory + "/overlay.bpf.o")
        try spec.setConfig(configuration.settings(tickShift: tickShift))
        for map in spec.maps where !map.name.contains(".") {
            let existing: MapHandle = try maps.map(map.name)
            try spec.reuse(map: map.name, existing)
        }
        object = try spec.load()
        from = try object.program("from_overlay")
        to = try object.program("to_overlay")
    }
}

extension Datapath {
    /// Says where tunnels to a node end; nil: the node is gone. To be written before the changeset whose peers name the
    /// number, and taken away after the one that names it last; a number is given to another address only when no
    /// peer has it.
    package func setNode(_ number: UInt32, _ address: IPAddress?) throws {
        guard number > 0, Int(number) < configuration.sizes.nodes else {
            throw DatapathError.mapFull(map: "nodes", size: configuration.sizes.nodes, setting: "map-nodes")
        }
        nodes[number] = address
        try set.nodes.update(number, node_entry(address))
    }

    func repairNodes(_ report: inout RepairReport) throws {
        for (number, address) in nodes {
            report.checked += 1
            guard try set.nodes.lookup(number)?.addr.address != address else { continue }
            try set.nodes.update(number, node_entry(address))
            report.repaired.append("nodes: \(number)")
        }
    }

    /// Puts the programs on the overlay device; without one, takes those of an earlier start away.
    package func attachOverlay() throws {
        guard let overlay, let device = configuration.overlay else { return try detachOverlay() }
        if usesTCX {
            try rcu.run {
                try attach(overlay.from, atPin: paths.overlayLink(.from), ifindex: device.ifindex, at: .tcxIngress)
                try attach(overlay.to, atPin: paths.overlayLink(.to), ifindex: device.ifindex, at: .tcxEgress)
            }
        } else {
            try attachFilters(ifindex: device.ifindex, from: overlay.from, to: overlay.to)
        }
    }

    /// Filters, on kernels without TCX, go with the device.
    func detachOverlay() throws {
        for side in PinPaths.Side.allCases { try unlink(at: paths.overlayLink(side)) }
    }

    func overlayIsAttached() throws -> Bool {
        guard let overlay, let device = configuration.overlay else { return true }
        guard usesTCX else {
            return try filtersAreThere(ifindex: device.ifindex, from: overlay.from, to: overlay.to)
        }
        let programs = [(PinPaths.Side.from, try overlay.from.info().id), (.to, try overlay.to.info().id)]
        return programs.allSatisfy { side, program in
            isLinked(program, atPin: paths.overlayLink(side), ifindex: device.ifindex)
        }
    }
}

extension node_entry {
    init(_ address: IPAddress?) {
        self.init(addr: address.map { dp_addr($0) } ?? dp_addr())
    }
}
