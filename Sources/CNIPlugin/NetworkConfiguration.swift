// SPDX-License-Identifier: Apache-2.0
import AgentIPC

/// The network configuration on standard input. Fields that are not known here are left alone.
struct NetworkConfiguration: Sendable {
    /// Where the agent's run directory is unless the configuration says otherwise.
    static let defaultRunDirectory = "/run/skein"

    let version: CNIVersion
    let name: String
    /// `socket`: path of the agent's socket.
    let socket: String
    /// `runDirectory`: where tombstones are left for an agent that is away.
    let runDirectory: String
    /// What an earlier plugin, or the ADD before, has printed.
    let previousResult: JSONValue?
    /// `cni.dev/valid-attachments`, for GC. nil: not given, which is something else than an empty list.
    let validAttachments: [AttachmentReference]?
    /// Handed on in the result.
    let dns: DNSConfiguration?

    /// Reads and validates what holds for every command but VERSION.
    init(_ document: JSONValue, for command: CNICommand) throws(CNIError) {
        let raw: Raw
        do throws(JSONError) {
            raw = try Raw(document)
        } catch {
            throw Self.unreadable(error)
        }
        version = try CNIVersion(configured: raw.cniVersion)
        guard version >= command.since else {
            throw CNIError(
                .incompatibleVersion,
                "cniVersion \(version.rawValue) has no \(command.rawValue), it came with \(command.since.rawValue)")
        }
        guard let name = raw.name, Self.isNetworkName(name) else {
            throw CNIError(
                .invalidConfiguration,
                "name \"\(raw.name ?? "")\" is not a letter or digit followed by those and \"_\", \".\", \"-\"")
        }
        self.name = name
        socket = try Self.path("socket", raw.socket ?? AgentClient.defaultSocket)
        runDirectory = try Self.path("runDirectory", raw.runDirectory ?? Self.defaultRunDirectory)
        previousResult = raw.prevResult
        validAttachments = raw.validAttachments
        dns = raw.dns
        if command == .add { try Self.refuse(raw, previousResult) }
    }

    /// Input that is no configuration, or no JSON at all.
    static func unreadable(_ error: JSONError) -> CNIError {
        CNIError(.decodingFailure, "the network configuration can't be decoded", details: error.description)
    }

    /// What an administrator would expect to have an effect, and has none here.
    private static func refuse(_ raw: Raw, _ previousResult: JSONValue?) throws(CNIError) {
        if let previousResult {
            throw CNIError(
                .unsupportedField,
                "prevResult \(previousResult.excerpt): chaining is not supported, skein must be the first plugin")
        }
        if case .object(let ipam)? = raw.ipam, !ipam.members.isEmpty {
            throw CNIError(
                .unsupportedField, "ipam \(JSONValue.object(ipam).excerpt): addresses come from skein's agent")
        }
        if raw.ipMasq == true {
            throw CNIError(.unsupportedField, "ipMasq true: masquerading is not supported")
        }
    }

    /// The specification's rule for network names.
    private static func isNetworkName(_ name: String) -> Bool {
        (try? Invocation.validate(containerID: name)) != nil
    }

    private static func path(_ field: String, _ path: String) throws(CNIError) -> String {
        guard path.utf8.first == UInt8(ascii: "/"), !path.utf8.contains(0) else {
            throw CNIError(.invalidConfiguration, "\(field) \"\(path)\" is not an absolute path")
        }
        return path
    }
}

/// Resolver settings, as configured and as returned.
struct DNSConfiguration: Hashable, Sendable {
    var nameservers: [String]?
    var domain: String?
    var search: [String]?
    var options: [String]?
}

extension DNSConfiguration: JSONConvertible {
    init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        nameservers = try object.optional("nameservers")
        domain = try object.optional("domain")
        search = try object.optional("search")
        options = try object.optional("options")
    }

    var json: JSONValue {
        .object([
            "domain": domain?.json,
            "nameservers": nameservers?.json,
            "options": options?.json,
            "search": search?.json,
        ])
    }
}

/// The document as it is written.
private struct Raw {
    let cniVersion: String?
    let name: String?
    let socket: String?
    let runDirectory: String?
    let prevResult: JSONValue?
    let ipam: JSONValue?
    let ipMasq: Bool?
    let dns: DNSConfiguration?
    let validAttachments: [AttachmentReference]?

    /// The second is the name in the specification's text; runtimes send both.
    private static let attachmentKeys = ["cni.dev/valid-attachments", "cni.dev/attachments"]

    init(_ document: JSONValue) throws(JSONError) {
        let object = try document.object
        cniVersion = try object.optional("cniVersion")
        name = try object.optional("name")
        socket = try object.optional("socket")
        runDirectory = try object.optional("runDirectory")
        prevResult = try object.optional("prevResult")
        ipam = try object.optional("ipam")
        ipMasq = try object.optional("ipMasq")
        dns = try object.optional("dns")
        guard let key = Self.attachmentKeys.first(where: { object[$0] != nil }) else {
            validAttachments = nil
            return
        }
        // null is how Go writes an empty list; a field that isn't there says nothing.
        let attachments: [Attachment] = try object.optional(key) ?? []
        validAttachments = attachments.map(\.reference)
    }
}

/// An endpoint as the specification names its parts.
private struct Attachment: JSONConvertible {
    let reference: AttachmentReference

    init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        reference = AttachmentReference(
            containerID: try object.required("containerID"), interface: try object.required("ifname"))
    }

    var json: JSONValue {
        .object(["containerID": reference.containerID.json, "ifname": reference.interface.json])
    }
}
