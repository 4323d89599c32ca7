// SPDX-License-Identifier: Apache-2.0
import AgentCore
import ArgumentParser

/// How pods of other nodes are reached. All nodes must be told the same.
struct RoutingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How pods of other nodes are reached: tunnel (VXLAN; this if not given) or native (as they are; nodes of one "
                + "link get routes to each other's pods, the rest is the network's business).", valueName: "mode"))
    var routing: Mode?

    @Option(help: ArgumentHelp("UDP port of the tunnels; 8472 if not given.", valueName: "port"))
    var tunnelPort: UInt16?

    @Option(
        help: ArgumentHelp(
            "Between which addresses of the nodes the tunnels are: ipv4 (this if not given) or ipv6.",
            valueName: "family"))
    var tunnelUnderlay: Family?

    enum Mode: String, ExpressibleByArgument, CaseIterable {
        case tunnel, native
    }

    enum Family: String, ExpressibleByArgument, CaseIterable {
        case ipv4, ipv6
    }

    func validate() throws {
        if tunnelPort == 0 { throw ValidationError("--tunnel-port is 0: no packet can be sent there") }
        guard routing == .native else { return }
        if tunnelPort != nil { throw ValidationError("--tunnel-port is for --routing tunnel, and native is given") }
        if tunnelUnderlay != nil {
            throw ValidationError("--tunnel-underlay is for --routing tunnel, and native is given")
        }
    }

    /// - Parameter isMember: whether the node belongs to a cluster; there is nowhere to go without one.
    func routing(isMember: Bool) throws -> Routing? {
        guard isMember else {
            guard routing == nil, tunnelPort == nil, tunnelUnderlay == nil else {
                throw ValidationError(
                    "--routing, --tunnel-port and --tunnel-underlay lead to other nodes, and with --manifests there are "
                        + "none")
            }
            return nil
        }
        switch routing ?? .tunnel {
        case .native: return .native
        case .tunnel: return .tunnel(port: tunnelPort ?? 8_472, isIPv6: tunnelUnderlay == .ipv6)
        }
    }
}
