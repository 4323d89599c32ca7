// SPDX-License-Identifier: Apache-2.0
import AgentCore
import ArgumentParser
import NetTypes
import ProgramOptions

/// How pods' packets to the outside of the cluster leave.
struct MasqueradeOptions: ParsableArguments {
    enum Switch: String, ExpressibleByArgument, CaseIterable {
        case on
        case off
    }

    @Option(help: "Whether pods' packets to the outside leave with the node's address: on or off.")
    var masquerade = Switch.on

    @Option(
        help: ArgumentHelp(
            "Ethernet device to the outside, may be repeated; those of the default routes if not given.",
            valueName: "device"))
    var device: [String] = []

    @Option(
        help: ArgumentHelp(
            "Destinations that see the pods' own addresses, beside pods and this node; may be repeated.",
            valueName: "prefix"),
        transform: parsePrefix)
    var nonMasqueradeCidr: [Prefix] = []

    var settings: MasqueradeSettings {
        MasqueradeSettings(isOn: masquerade == .on, devices: device, excluded: nonMasqueradeCidr)
    }
}
