// SPDX-License-Identifier: Apache-2.0
import AgentIPC

/// What the runtime says in the environment, validated for the command (specification 1.1.0, section 2).
struct Invocation: Hashable, Sendable {
    /// Longer container ids would not fit into the name of a file; runtimes use 64 characters.
    static let containerIDLimit = 200
    /// IFNAMSIZ less the terminator.
    static let interfaceLimit = 15

    let command: CNICommand
    /// Empty where the command needs none.
    var containerID = ""
    var interface = ""
    /// Path of the pod's network namespace; DEL may come without.
    var netns = ""
    var arguments = CNIArguments()

    var endpoint: AttachmentReference { AttachmentReference(containerID: containerID, interface: interface) }

    init(environment: (String) -> String?) throws(CNIError) {
        guard let name = environment("CNI_COMMAND"), !name.isEmpty else {
            throw CNIError(
                .invalidEnvironment, "CNI_COMMAND is not set: this is a CNI plugin, run by a container runtime")
        }
        guard let command = CNICommand(rawValue: name) else {
            throw CNIError(.invalidEnvironment, "CNI_COMMAND \"\(name)\" is not known")
        }
        self.command = command
        let required: [String] =
            switch command {
            case .add, .check: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]
            case .delete: ["CNI_CONTAINERID", "CNI_IFNAME"]
            case .garbageCollect, .status, .version: []
            }
        let missing = required.filter { environment($0)?.isEmpty ?? true }
        guard missing.isEmpty else {
            throw CNIError(
                .invalidEnvironment, "\(missing.joined(separator: ", ")) must be set for CNI_COMMAND \(name)")
        }
        guard !required.isEmpty else { return }

        containerID = environment("CNI_CONTAINERID") ?? ""
        interface = environment("CNI_IFNAME") ?? ""
        netns = environment("CNI_NETNS") ?? ""
        try Self.validate(containerID: containerID)
        try Self.validate(interface: interface)
        // The others do without, and DEL must not fail on what nobody reads.
        if command == .add { arguments = try CNIArguments(environment("CNI_ARGS") ?? "") }
    }

    /// A letter or digit, then letters, digits, "_", "." and "-".
    static func validate(containerID: String) throws(CNIError) {
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: false
            }
        }
        let valid = containerID.utf8.allSatisfy {
            isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
        }
        guard valid, let first = containerID.utf8.first, isAlphanumeric(first) else {
            throw CNIError(
                .invalidEnvironment,
                "CNI_CONTAINERID \"\(containerID)\" is not a letter or digit followed by those and \"_\", \".\", \"-\"")
        }
        guard containerID.utf8.count <= containerIDLimit else {
            throw CNIError(.invalidEnvironment, "CNI_CONTAINERID is longer than \(containerIDLimit) characters")
        }
    }

    /// What the kernel takes as a device's name (dev_valid_name), and takes literally: "eth%d" would become "eth0".
    static func validate(interface: String) throws(CNIError) {
        guard interface.utf8.count <= interfaceLimit else {
            throw CNIError(
                .invalidEnvironment, "CNI_IFNAME \"\(interface)\" is longer than \(interfaceLimit) characters")
        }
        guard interface != ".", interface != ".." else {
            throw CNIError(.invalidEnvironment, "CNI_IFNAME can't be \"\(interface)\"")
        }
        let forbidden = interface.utf8.contains {
            $0 <= UInt8(ascii: " ") || $0 == 0x7f
                || [UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: "%")].contains($0)
        }
        guard !forbidden else {
            throw CNIError(
                .invalidEnvironment,
                "CNI_IFNAME \"\(interface)\" has a \"/\", \":\", \"%\", white space or a control character")
        }
    }
}
