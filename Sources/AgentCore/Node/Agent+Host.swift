// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Datapath
import NetTypes

extension Agent {
    /// Follows changes of the host's network, any number at once. When that fails, everything is looked at again by the
    /// next call.
    package func hostChanged(_ changes: Set<HostChange>) {
        // What failed is not reported a second time.
        let isLate = conditions[.host] != nil
        let changes = isLate ? changes.union([.lost]) : changes
        do {
            if changes.contains(.lost) {
                try checkLinks()
                restorePodLinks()
                if overlay != nil, try host.link(named: OverlayRequest.defaultName) == nil {
                    try remakeOverlay()
                } else if isLate {
                    // The device may have come back without its programs.
                    try datapath?.attachOverlay()
                }
            } else {
                if let index = overlay?.ifindex, changes.contains(.linkRemoved(index: index)) { try remakeOverlay() }
                for case .linkRemoved(let index, _) in changes {
                    for record in endpointTable.all where record.ifindex == index { markGone(record) }
                }
                restorePodLinks(Set(changes.compactMap { if case .podLink(let index) = $0 { index } else { nil } }))
                if changes.contains(.overlay) {
                    try makeOverlay()
                    syncNodeRoutes()
                }
            }
            if changes.contains(.addresses) || changes.contains(.lost) {
                if policy.setNodeAddresses(try nodeAddresses()) { applyPolicyOrNote() }
            }
            if changes.contains(.routes) || changes.contains(.lost) {
                // Where a flow leaves for was decided with the old routes.
                try datapath?.judgeAgain()
                syncNodeRoutes()
            }
            if !changes.allSatisfy(\.isOfPods) {
                try updateMTU()
                applyMasquerade()
            }
            note(.host, nil)
        } catch {
            note(.host, "the host's network can't be read: \(error)")
        }
    }

    /// Marks every endpoint whose device is not there as gone.
    private func checkLinks() throws {
        let present = Dictionary(try host.links().map { ($0.index, $0.name) }) { $1 }
        for record in endpointTable.all where record.state == .ready {
            if present[record.ifindex ?? 0] != record.hostInterface { markGone(record) }
        }
    }

    /// By which packets of this node's own processes are told: its devices', the given ones and the gateways that pods
    /// know it by.
    func nodeAddresses() throws -> Set<IPAddress> {
        try host.addresses().union(settings.nodeAddresses).union([Gateway.ipv4, Gateway.ipv6])
    }
}
