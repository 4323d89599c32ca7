// SPDX-License-Identifier: Apache-2.0

/// A version of the CNI specification that the plugin speaks.
package enum CNIVersion: String, CaseIterable, Comparable, Sendable {
    case v0_3_1 = "0.3.1"
    case v0_4_0 = "0.4.0"
    case v1_0_0 = "1.0.0"
    case v1_1_0 = "1.1.0"

    package static let newest = CNIVersion.v1_1_0

    package static func < (a: CNIVersion, b: CNIVersion) -> Bool { a.rawValue < b.rawValue }

    /// The supported version that a configuration names. One without a version means 0.1.0 (specification 0.3.1).
    init(configured text: String?) throws(CNIError) {
        guard let version = CNIVersion(rawValue: text ?? "0.1.0") else {
            throw CNIError(
                .incompatibleVersion, "cniVersion \"\(text ?? "0.1.0")\" is not supported",
                details: "supported: " + Self.allCases.map(\.rawValue).joined(separator: ", "))
        }
        self = version
    }
}

/// What CNI_COMMAND may say.
package enum CNICommand: String, CaseIterable, Sendable {
    case add = "ADD"
    case delete = "DEL"
    case check = "CHECK"
    case garbageCollect = "GC"
    case status = "STATUS"
    case version = "VERSION"

    /// The first version of the specification that has the command.
    var since: CNIVersion {
        switch self {
        case .add, .delete, .version: .v0_3_1
        case .check: .v0_4_0
        case .garbageCollect, .status: .v1_1_0
        }
    }
}
