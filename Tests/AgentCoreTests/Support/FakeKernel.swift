// SPDX-License-Identifier: Apache-2.0
import AgentCore
import AgentIPC
import Datapath
import NetTypes
import PolicyEngine
import Synchronization

/// What the agent asked of its datapaths, in order, and what their maps hold. Any step can be made to fail.
final class FakeKernel: Sendable {
    enum Step: Hashable {
        case make, apply, setEndpoint, attach, remove, finishStart, collectFlows, verify, setNodeNAT, attachOverlay
    }

    enum Call: Hashable {
        case make
        case apply
        case setEndpoint(UInt16)
        case attach(UInt16)
        case remove(UInt16)
        case finishStart
        case judgeAgain
        case setNode(UInt32, IPAddress?)
        case attachOverlay
        case forgetFlows(Set<IPAddress>)
    }

    struct State {
        var calls: [Call] = []
        /// How many times a step is still to fail; negative: always.
        var failures: [Step: Int] = [:]
        /// What a step that fails says.
        var refusal = FakeKernel.mapFull
        /// What each datapath has filled, by its number, and which of them packets see.
        var sets: [Int: TableState] = [:]
        var live = 0
        var tables: TableState { sets[live] ?? TableState() }
        var endpoints: [UInt16: LocalEndpoint] = [:]
        var views: [UInt16: EndpointView] = [:]
        var attached: Set<UInt16> = []
        var maps: [MapStatus] = []
        var flowReport = FlowReport()
        var repairs: [String] = []
        var denied: [DenyList] = []
        /// What each datapath was made for.
        var overlays: [OverlayDevice?] = []
        var nodes: [UInt32: IPAddress] = [:]
        /// What it was told of masquerading, and how often.
        var nodeNAT: NodeNAT?
        var nodeNATCalls = 0
    }

    private let state = Mutex(State())

    var snapshot: State { state.withLock { $0 } }
    var calls: [Call] { snapshot.calls }

    func update(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    /// The step fails this many times from now on; negative: until told otherwise.
    func fail(_ step: Step, times: Int = 1) { state.withLock { $0.failures[step] = times } }

    func forgetCalls() { state.withLock { $0.calls = [] } }

    func perform<Result>(
        _ step: Step?, _ call: Call?, _ body: (inout State) -> Result = { _ in () }
    ) throws -> Result {
        let result: Result? = state.withLock { state in
            if let call { state.calls.append(call) }
            if let step, let left = state.failures[step], left != 0 {
                state.failures[step] = left - 1
                return nil
            }
            return body(&state)
        }
        guard let result else { throw snapshot.refusal }
        return result
    }

    static let mapFull = DatapathError.mapFull(map: "policy", size: 16, setting: "map-policy-rows")
}

/// A datapath whose maps are values. As the real one promises, a failed `apply` changes nothing, and what a new one is filled
/// with is live when its programs are attached.
final class FakeDatapath: DatapathControl {
    private let kernel: FakeKernel
    private let number: Int

    init(_ kernel: FakeKernel, overlay: OverlayDevice? = nil) throws {
        self.kernel = kernel
        number = try kernel.perform(.make, .make) { state in
            let number = state.sets.count + 1
            state.sets[number] = TableState()
            state.overlays.append(overlay)
            return number
        }
    }

    func apply(_ changeset: Changeset) throws -> ApplyReport {
        try kernel.perform(.apply, .apply) { [number] in $0.sets[number]?.apply(changeset) }
        return ApplyReport()
    }

    func settle() throws {}

    func setEndpoint(_ endpoint: LocalEndpoint, view: EndpointView) throws {
        try kernel.perform(.setEndpoint, .setEndpoint(endpoint.number)) { state in
            state.endpoints[endpoint.number] = endpoint
            state.views[endpoint.number] = view
        }
    }

    func attach(_ number: UInt16) throws {
        try kernel.perform(.attach, .attach(number)) { [set = self.number] state in
            state.attached.insert(number)
            state.live = set
        }
    }

    func removeEndpoint(_ number: UInt16) throws {
        try kernel.perform(.remove, .remove(number)) { [set = self.number] state in
            state.endpoints[number] = nil
            state.attached.remove(number)
            state.sets[set]?.removeEndpoint(number)
        }
    }

    func finishStart(denyingOn device: String?) throws {
        try kernel.perform(.finishStart, .finishStart) { [number] in $0.live = number }
    }
    func judgeAgain() throws { try kernel.perform(nil, .judgeAgain) }
    func setNode(_ number: UInt32, _ address: IPAddress?) throws {
        try kernel.perform(nil, .setNode(number, address)) { $0.nodes[number] = address }
    }
    func attachOverlay() throws { try kernel.perform(.attachOverlay, .attachOverlay) }

    func collectFlows(timeouts: FlowTimeouts) throws -> FlowReport {
        try kernel.perform(.collectFlows, nil) { $0.flowReport }
    }

    func forgetFlows(of addresses: Set<IPAddress>) throws -> Int {
        try kernel.perform(nil, .forgetFlows(addresses)) { _ in 0 }
    }

    func verifyAndRepair(against desired: Changeset) throws -> RepairReport {
        try kernel.perform(.verify, nil) { state in
            var report = RepairReport()
            report.repaired = state.repairs
            return report
        }
    }

    func resetRuleHits(_ cookie: UInt32) throws {}
    /// As many hits as its number, for every rule.
    func readRuleHits(_ cookies: [UInt32]) throws -> [UInt32: UInt64] {
        Dictionary(uniqueKeysWithValues: cookies.map { ($0, UInt64($0)) })
    }

    func setNodeNAT(_ wanted: NodeNAT?) throws {
        try kernel.perform(.setNodeNAT, nil) { state in
            state.nodeNAT = wanted
            state.nodeNATCalls += 1
        }
    }
    func collectMappings(timeouts: FlowTimeouts) throws -> FlowReport? { nil }

    func setDenyLists(_ lists: [DenyList], device: String?) throws {
        try kernel.perform(nil, nil) { $0.denied = lists }
    }
    func denyListUsage() throws -> (device: String, mode: String, lists: [DenyListUsage])? { nil }

    var currentEpoch: UInt32 { 7 }
    var featureInfos: [FeatureInfo] { [FeatureInfo(name: "tcx links", available: true)] }

    func readCounters() throws -> CounterInfo {
        CounterInfo(
            fromPods: PacketInfo(packets: 1, bytes: 100), toPods: PacketInfo(packets: 2, bytes: 200), newFlows: 3,
            rejudgedFlows: 4, eventsLost: 0, eventsLimited: 0, drops: [])
    }

    func readMaps() throws -> [MapStatus] { kernel.snapshot.maps }

    func readMap(named name: String) throws -> MapContents? {
        name == "pods" ? MapContents(name: name, columns: ["ADDRESS"], rows: [["10.0.0.1"]]) : nil
    }

    func makeEventSource() throws -> any EventSource { SilentEvents() }
}

private struct SilentEvents: EventSource {
    let events = AsyncStream<DatapathEvent> { $0.finish() }
    let dropped: UInt64 = 0
    func stop() {}
}
