// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
package import Datapath
package import NetTypes
package import PolicyEngine

/// What the agent needs of the datapath, so that its own behaviour is tested without a kernel.
///
/// The contracts are those of `Datapath`, which see; what is only shown to people comes in the words of the API.
/// Not Sendable: one agent owns it.
package protocol DatapathControl: AnyObject {
    func apply(_ changeset: Changeset) throws -> ApplyReport
    func settle() throws
    func setEndpoint(_ endpoint: LocalEndpoint, view: EndpointView) throws
    func attach(_ number: UInt16) throws
    /// Unknown numbers are nothing to do.
    func removeEndpoint(_ number: UInt16) throws
    func finishStart(denyingOn device: String?) throws
    func judgeAgain() throws
    /// Where tunnels to a node end; nil: nowhere any more.
    func setNode(_ number: UInt32, _ address: IPAddress?) throws
    /// Puts the programs on the overlay device again, which was made anew.
    func attachOverlay() throws
    func collectFlows(timeouts: FlowTimeouts) throws -> FlowReport
    func forgetFlows(of addresses: Set<IPAddress>) throws -> Int
    func verifyAndRepair(against desired: Changeset) throws -> RepairReport
    /// For a cookie that is about to stand for another rule.
    func resetRuleHits(_ cookie: UInt32) throws
    func readRuleHits(_ cookies: [UInt32]) throws -> [UInt32: UInt64]

    /// To be called after every start.
    func setNodeNAT(_ wanted: NodeNAT?) throws
    /// Nil while nothing is masqueraded.
    func collectMappings(timeouts: FlowTimeouts) throws -> FlowReport?

    func setDenyLists(_ lists: [DenyList], device: String?) throws
    func denyListUsage() throws -> (device: String, mode: String, lists: [DenyListUsage])?

    var currentEpoch: UInt32 { get }
    var featureInfos: [FeatureInfo] { get }
    func readCounters() throws -> CounterInfo
    func readMaps() throws -> [MapStatus]
    /// nil for a map that there is not.
    func readMap(named name: String) throws -> MapContents?
    /// At most one at a time.
    func makeEventSource() throws -> any EventSource
}

/// Events of the datapath as they come.
package protocol EventSource: Sendable {
    /// Bounded: what nobody takes in time is lost, the oldest first. For one consumer; ends after `stop()`.
    var events: AsyncStream<DatapathEvent> { get }
    /// Events that were not taken out of `events` in time.
    var dropped: UInt64 { get }
    func stop()
}
