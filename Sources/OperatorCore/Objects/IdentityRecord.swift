// SPDX-License-Identifier: Apache-2.0
package import KubeClient

/// A SkeinIdentity: its number, and whether it is marked as unused. Its labels are of no interest here.
package struct IdentityRecord: KubeObject, Hashable, Sendable {
    /// The annotation that says since when nobody was seen to use it. The operator removes it when a slice names it.
    package static let markKey = "skein.dev/unused-since"

    package let metadata: ObjectMeta
    /// RFC 3339.
    package let mark: String?

    package init(name: String, uid: String, version: String, mark: String? = nil) {
        metadata = ObjectMeta(name: name, uid: uid, resourceVersion: version)
        self.mark = mark
    }

    /// nil for a name that is none of a pod's identity.
    package var number: UInt32? {
        guard let number = UInt32(metadata.name), "\(number)" == metadata.name, (256...0xff_ffff).contains(number)
        else {
            return nil
        }
        return number
    }

    package static let resource = Resource<IdentityRecord>(SkeinIdentity.resource.descriptor)
}

extension IdentityRecord: Decodable {
    private struct Wire: Decodable {
        let metadata: ObjectMeta
    }

    private struct Stamped: Decodable {
        let metadata: ObjectStamps
    }

    package init(from decoder: any Decoder) throws {
        let metadata = try Wire(from: decoder).metadata
        let stamps = try Stamped(from: decoder).metadata
        self.init(
            name: metadata.name, uid: metadata.uid, version: metadata.resourceVersion,
            mark: stamps.annotations?[Self.markKey])
    }
}
