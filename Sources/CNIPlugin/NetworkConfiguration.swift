// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import FoundationEssentials

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

    /// Decodes and validates what holds for every command but VERSION.
    init(decoding input: [UInt8], for command: CNICommand) throws(CNIError) {
        let raw: Raw
        do {
            raw = try JSONDecoder().decode(Raw.self, from: Data(input))
        } catch {
            throw CNIError(
                .decodingFailure, "the network configuration can't be decoded", details: JSONText.describe(error))
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
        previousResult = raw.prevResult == .null ? nil : raw.prevResult
        validAttachments = raw.validAttachments
        dns = raw.dns
        if command == .add { try Self.refuse(raw, previousResult) }
    }

    /// What an administrator would expect to have an effect, and has none here.
    private static func refuse(_ raw: Raw, _ previousResult: JSONValue?) throws(CNIError) {
        if let previousResult {
            throw CNIError(
                .unsupportedField,
                "prevResult \(previousResult.excerpt): chaining is not supported, skein must be the first plugin")
        }
        if case .object(let ipam)? = raw.ipam, !ipam.isEmpty {
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
struct DNSConfiguration: Hashable, Sendable, Codable {
    var nameservers: [String]?
    var domain: String?
    var search: [String]?
    var options: [String]?
}

/// The document as it is written.
private struct Raw: Decodable {
    let cniVersion: String?
    let name: String?
    let socket: String?
    let runDirectory: String?
    let prevResult: JSONValue?
    let ipam: JSONValue?
    let ipMasq: Bool?
    let dns: DNSConfiguration?
    let validAttachments: [AttachmentReference]?

    private enum Key: String, CodingKey {
        case cniVersion, name, socket, runDirectory, prevResult, ipam, ipMasq, dns
        case validAttachments = "cni.dev/valid-attachments"
        /// The name in the specification's text; runtimes send both.
        case attachments = "cni.dev/attachments"
    }

    private struct Attachment: Decodable {
        let containerID: String
        let ifname: String
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        cniVersion = try container.decodeIfPresent(String.self, forKey: .cniVersion)
        name = try container.decodeIfPresent(String.self, forKey: .name)
        socket = try container.decodeIfPresent(String.self, forKey: .socket)
        runDirectory = try container.decodeIfPresent(String.self, forKey: .runDirectory)
        prevResult = try container.decodeIfPresent(JSONValue.self, forKey: .prevResult)
        ipam = try container.decodeIfPresent(JSONValue.self, forKey: .ipam)
        ipMasq = try container.decodeIfPresent(Bool.self, forKey: .ipMasq)
        dns = try container.decodeIfPresent(DNSConfiguration.self, forKey: .dns)
        // null is how Go writes an empty list; a field that isn't there says nothing.
        let key = [Key.validAttachments, .attachments].first { container.contains($0) }
        validAttachments = try key.map {
            try (container.decodeIfPresent([Attachment].self, forKey: $0) ?? []).map {
                AttachmentReference(containerID: $0.containerID, interface: $0.ifname)
            }
        }
    }
}
