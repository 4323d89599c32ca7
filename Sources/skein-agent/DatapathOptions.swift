// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Datapath

/// What each map is made for. A full map's error names its flag.
struct MapOptions: ParsableArguments {
    @Option(help: size("connections; 168 bytes each"), transform: parseMapSize)
    var mapFlows = MapSizes().flows

    @Option(help: size("datagrams in fragments at one time"), transform: parseMapSize)
    var mapFragments = MapSizes().fragments

    @Option(help: size("pod and node addresses"), transform: parseMapSize)
    var mapPods = MapSizes().pods

    @Option(help: size("other nodes that tunnels lead to"), transform: parseMapSize)
    var mapNodes = MapSizes().nodes

    @Option(help: size("identities of the cluster's pods"), transform: parseMapSize)
    var mapIdentities = MapSizes().identities

    @Option(help: size("prefixes that rules name"), transform: parseMapSize)
    var mapCidrs = MapSizes().cidrs

    @Option(help: size("kinds of peers"), transform: parseMapSize)
    var mapSlots = MapSizes().slots

    @Option(help: size("compiled rows of policies"), transform: parseMapSize)
    var mapPolicyRows = MapSizes().policyRows

    @Option(help: size("port prefixes of rows with many ports"), transform: parseMapSize)
    var mapPortEntries = MapSizes().portEntries

    @Option(help: size("endpoints and one; 65536 at most"), transform: parseMapSize)
    var mapEndpoints = MapSizes().endpoints

    @Option(help: size("rules with a hit counter"), transform: parseMapSize)
    var mapRuleHits = MapSizes().ruleHits

    @Option(help: size("prefixes of all deny lists"), transform: parseMapSize)
    var mapDenySources = MapSizes().denySources

    @Option(help: size("masqueraded connections; 128 bytes each"), transform: parseMapSize)
    var mapNat = MapSizes().nat

    @Option(help: size("prefixes that masquerading goes by"), transform: parseMapSize)
    var mapNatPrefixes = MapSizes().natPrefixes

    func validate() throws {
        if mapEndpoints > 65_536 {
            throw ValidationError("--map-endpoints is \(mapEndpoints): there are endpoint numbers up to 65535 only")
        }
    }

    var sizes: MapSizes {
        var sizes = MapSizes()
        sizes.flows = mapFlows
        sizes.fragments = mapFragments
        sizes.pods = mapPods
        sizes.nodes = mapNodes
        sizes.identities = mapIdentities
        sizes.cidrs = mapCidrs
        sizes.slots = mapSlots
        sizes.policyRows = mapPolicyRows
        sizes.portEntries = mapPortEntries
        sizes.endpoints = mapEndpoints
        sizes.ruleHits = mapRuleHits
        sizes.denySources = mapDenySources
        sizes.nat = mapNat
        sizes.natPrefixes = mapNatPrefixes
        return sizes
    }

    private static func size(_ what: String) -> ArgumentHelp {
        ArgumentHelp("Room for so many \(what).", valueName: "entries")
    }
}

/// When an idle connection is forgotten.
struct FlowTimeoutOptions: ParsableArguments {
    @Option(help: idle("TCP connection"), transform: parseSeconds)
    var flowTimeoutTcp = FlowTimeouts().tcpEstablished

    @Option(help: idle("TCP connection that is not established"), transform: parseSeconds)
    var flowTimeoutTcpSyn = FlowTimeouts().tcpOpening

    @Option(help: idle("TCP connection after RST, or FIN from both sides"), transform: parseSeconds)
    var flowTimeoutTcpClosing = FlowTimeouts().tcpClosing

    @Option(help: idle("UDP flow with replies"), transform: parseSeconds)
    var flowTimeoutUdp = FlowTimeouts().udpReplied

    @Option(help: idle("UDP flow without a reply"), transform: parseSeconds)
    var flowTimeoutUdpUnreplied = FlowTimeouts().udp

    @Option(help: idle("SCTP association"), transform: parseSeconds)
    var flowTimeoutSctp = FlowTimeouts().sctp

    @Option(help: idle("ping"), transform: parseSeconds)
    var flowTimeoutIcmp = FlowTimeouts().icmp

    var timeouts: FlowTimeouts {
        var timeouts = FlowTimeouts()
        timeouts.tcpEstablished = flowTimeoutTcp
        timeouts.tcpOpening = flowTimeoutTcpSyn
        timeouts.tcpClosing = flowTimeoutTcpClosing
        timeouts.udpReplied = flowTimeoutUdp
        timeouts.udp = flowTimeoutUdpUnreplied
        timeouts.sctp = flowTimeoutSctp
        timeouts.icmp = flowTimeoutIcmp
        return timeouts
    }

    private static func idle(_ what: String) -> ArgumentHelp {
        ArgumentHelp("Forget an idle \(what) after this time.", valueName: "time")
    }
}

/// Events of drops and new connections.
struct EventOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Events that each CPU reports in a second at most; 0 turns them off.", valueName: "number"))
    var eventsPerSecond: UInt32 = 1_000
}
