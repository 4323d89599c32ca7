// SPDX-License-Identifier: Apache-2.0
import CNIPlugin
import NetTypes

/// A kernel in memory: it knows the host's devices and the pod's, records each step, and fails where it is told to.
final class RecordingWiring: PodWiring {
    /// Host devices, and whether they are up.
    var hostLinks: [String: Bool] = [:]
    /// The host device that was made here, as long as it is that one.
    var own: String?
    /// Devices of the pod, and the host device that is the other end; nil: somebody else's.
    var podLinks: [String: String?] = [:]
    /// The step that fails, and how.
    var fault: (step: String, error: WiringError)?
    var plan: WiringPlan?
    var beforeFault: () -> Void = {}
    var beforeCreating: () -> Void = {}
    var beforeConfiguring: () -> Void = {}
    var snapshot: ((WiringPlan) -> WiringSnapshot)?
    private let log: EventLog

    init(log: EventLog) {
        self.log = log
    }

    private func record(_ step: String, _ argument: String = "") throws(WiringError) {
        log.append(argument.isEmpty ? step : "\(step) \(argument)")
        if let fault, fault.step == step {
            beforeFault()
            throw fault.error
        }
    }

    func openNamespace(_ path: String) throws(WiringError) { try record("openNamespace", path) }

    func hostLinkIsUp(_ name: String) throws(WiringError) -> Bool? {
        try record("hostLinkIsUp")
        return hostLinks[name]
    }

    func createVeth(_ hostInterface: String, peer interface: String) throws(WiringError) -> UInt32 {
        beforeCreating()
        try record("createVeth")
        guard hostLinks[hostInterface] == nil, podLinks[interface] == nil else {
            throw WiringError(.interfaceExists, "create link: File exists")
        }
        hostLinks[hostInterface] = false
        podLinks[interface] = hostInterface
        own = hostInterface
        return 42
    }

    func configurePod(_ plan: WiringPlan) throws(WiringError) {
        beforeConfiguring()
        self.plan = plan
        try record("configurePod")
    }

    func bringUpHost(_ plan: WiringPlan) throws(WiringError) {
        try record("bringUpHost")
        hostLinks[plan.hostInterface] = true
    }

    func deleteVeth(_ hostInterface: String) throws(WiringError) {
        try record("deleteVeth")
        if own == hostInterface { own = nil }
        hostLinks[hostInterface] = nil
        podLinks = podLinks.filter { $0.value != hostInterface }
    }

    func deleteOwnVeth() throws(WiringError) {
        try record("deleteOwnVeth")
        guard let own else { return }
        hostLinks[own] = nil
        podLinks = podLinks.filter { $0.value != own }
        self.own = nil
    }

    func inspect(_ plan: WiringPlan) throws(WiringError) -> WiringSnapshot {
        try record("inspect")
        return snapshot?(plan) ?? WiringSnapshot(host: nil, pod: nil)
    }
}
