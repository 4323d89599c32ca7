// SPDX-License-Identifier: Apache-2.0

/// `Status` of the Kubernetes API (meta/v1): why a request was refused.
package struct KubeStatus: Hashable, Decodable, Sendable {
    /// The machine-readable word of a status; new ones come with new versions.
    package struct Reason: RawRepresentable, Hashable, Sendable {
        package let rawValue: String

        package init(rawValue: String) {
            self.rawValue = rawValue
        }

        package static let alreadyExists = Reason(rawValue: "AlreadyExists")
        package static let conflict = Reason(rawValue: "Conflict")
        package static let expired = Reason(rawValue: "Expired")
        package static let forbidden = Reason(rawValue: "Forbidden")
        package static let gone = Reason(rawValue: "Gone")
        package static let invalid = Reason(rawValue: "Invalid")
        package static let notFound = Reason(rawValue: "NotFound")
        package static let tooManyRequests = Reason(rawValue: "TooManyRequests")
        package static let unauthorized = Reason(rawValue: "Unauthorized")
        package static let unknown = Reason(rawValue: "")
    }

    /// One of several things that are wrong, mostly with a field.
    package struct Cause: Hashable, Decodable, Sendable {
        package var reason: String?
        package var message: String?
        /// `spec.ingress[0].fromCIDR`
        package var field: String?

        package init(reason: String? = nil, message: String? = nil, field: String? = nil) {
            self.reason = reason
            self.message = message
            self.field = field
        }
    }

    package struct Details: Hashable, Decodable, Sendable {
        package var name: String?
        package var group: String?
        /// The plural name of the resource, mostly.
        package var kind: String?
        package var causes: [Cause]?
        package var retryAfterSeconds: Int?

        package init(
            name: String? = nil, group: String? = nil, kind: String? = nil, causes: [Cause]? = nil,
            retryAfterSeconds: Int? = nil
        ) {
            self.name = name
            self.group = group
            self.kind = kind
            self.causes = causes
            self.retryAfterSeconds = retryAfterSeconds
        }
    }

    /// The HTTP status code.
    package var code: Int
    package var reason: Reason
    package var message: String
    package var details: Details?

    package init(code: Int, reason: Reason = .unknown, message: String = "", details: Details? = nil) {
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
    }

    private enum CodingKeys: String, CodingKey { case code, reason, message, details }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        code = try container.decodeIfPresent(Int.self, forKey: .code) ?? 0
        reason = Reason(rawValue: try container.decodeIfPresent(String.self, forKey: .reason) ?? "")
        message = try container.decodeIfPresent(String.self, forKey: .message) ?? ""
        details = try container.decodeIfPresent(Details.self, forKey: .details)
    }

    /// The version that was asked for is no longer kept: only a new list helps.
    package var isGone: Bool { code == 410 || reason == .expired || reason == .gone }

    /// The server has not come so far yet as the version asked for, or can't tell: another server's cache was ahead.
    package var isVersionTooLarge: Bool {
        details?.causes?.contains { $0.reason == "ResourceVersionTooLarge" } ?? false
            || code == 504 && message.contains("Too large resource version")
    }
}

extension KubeStatus: CustomStringConvertible {
    package var description: String {
        let head = reason == .unknown ? "\(code)" : "\(code) \(reason.rawValue)"
        return message.isEmpty ? head : "\(head): \(message)"
    }
}
