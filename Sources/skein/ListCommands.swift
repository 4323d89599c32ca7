// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import ArgumentParser
import NetTypes
import TextLayout

struct EndpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "endpoint", abstract: "Pods of this node.", subcommands: [List.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Every endpoint with its addresses and policy.")

        @OptionGroup var global: GlobalOptions

        func run() throws {
            try global.show(try global.ask { try $0.endpoints() }) { endpoints in
                var table = Table(
                    [
                        "NUMBER", "POD", "ADDRESSES", "IDENTITY", "INGRESS", "EGRESS", "POLICIES", "STATE", "AGE",
                        "DEVICE",
                    ],
                    numeric: [0, 3])
                for endpoint in endpoints {
                    table.add([
                        "\(endpoint.number)", endpoint.podText,
                        endpoint.addresses.map(\.description).joined(separator: ","),
                        endpoint.identity == 0 ? "" : "\(endpoint.identity)",
                        endpoint.enforceIngress ? "enforced" : "open", endpoint.enforceEgress ? "enforced" : "open",
                        Format.list(endpoint.policies.map(Self.shortName), limit: 2), endpoint.state.rawValue,
                        Format.age(since: endpoint.since), endpoint.hostInterface,
                    ])
                }
                return table.text
            }
        }

        /// "NetworkPolicy default/web" without its kind.
        private static func shortName(_ reference: String) -> String {
            reference.split(separator: " ").last.map(String.init) ?? reference
        }
    }
}

struct IdentityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "identity", abstract: "What pods are to policy: their labels, by number.",
        subcommands: [List.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Every identity that this node knows.")

        @OptionGroup var global: GlobalOptions

        func run() throws {
            try global.show(try global.ask { try $0.identities() }) { identities in
                var table = Table(
                    ["IDENTITY", "NAMESPACE", "LABELS", "ADDRESSES", "ENDPOINTS"], numeric: [0, 3])
                for identity in identities {
                    table.add([
                        "\(identity.number)", identity.namespace ?? "",
                        identity.name ?? Format.labels(identity.podLabels), "\(identity.addresses)",
                        Format.list(identity.endpoints.map(String.init), limit: 8),
                    ])
                }
                return table.text
            }
        }
    }
}

struct MapCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "map", abstract: "The datapath's BPF maps.", subcommands: [List.self, Dump.self],
        defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Every map and how full it is.")

        @OptionGroup var global: GlobalOptions

        func run() throws {
            try global.show(try global.ask { try $0.maps() }) { maps in
                var table = Table(
                    ["MAP", "TYPE", "ENTRIES", "SIZE", "USED", "MEMORY", "SETTING"], numeric: [2, 3, 4, 5])
                for map in maps {
                    table.add([
                        map.name, map.type, map.entries.map { "\($0)" } ?? "", "\(map.maxEntries)",
                        map.pressure.map(Format.percent) ?? "", map.memory.map(Format.bytes) ?? "", map.setting ?? "",
                    ])
                }
                return table.text
            }
        }
    }

    struct Dump: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The contents of one map, decoded.")

        @OptionGroup var global: GlobalOptions
        @Argument(help: "The map's name, as `skein map list` shows it.")
        var name: String

        func run() throws {
            try global.show(try global.ask { try $0.dump(map: name) }) { dump in
                var table = Table(dump.columns)
                for row in dump.rows { table.add(row) }
                return table.text + (dump.truncated ? "\n(there are more entries than are shown)" : "")
            }
        }
    }
}

struct DenyListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "denylist", abstract: "Sources that are dropped at the device, before the stack sees them.",
        subcommands: [List.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Every deny list with what it dropped.")

        @OptionGroup var global: GlobalOptions

        func run() throws {
            try global.show(try global.ask { try $0.denyLists() }) { lists in
                var table = Table(
                    ["LIST", "DEVICES", "MODE", "IPV4", "IPV6", "PACKETS", "BYTES", "ERROR"], numeric: [3, 4, 5, 6])
                for list in lists {
                    table.add([
                        list.group, list.devices.joined(separator: ","), list.mode, "\(list.prefixes4)",
                        "\(list.prefixes6)", "\(list.droppedPackets)", Format.bytes(list.droppedBytes),
                        list.error ?? "",
                    ])
                }
                return table.text
            }
        }
    }
}
