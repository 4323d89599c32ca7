// SPDX-License-Identifier: Apache-2.0
import Model

/// An object of a kind that is read from manifests.
enum ManifestObject: Hashable, Sendable {
    case namespace(Namespace)
    case pod(Pod)
    case networkPolicy(NetworkPolicy)

    var reference: ObjectReference {
        switch self {
        case .namespace(let namespace): ObjectReference(kind: "Namespace", namespace: "", name: namespace.name)
        case .pod(let pod): pod.reference
        case .networkPolicy(let policy): policy.reference
        }
    }
}

extension ResourceChange {
    init(_ object: ManifestObject) {
        switch object {
        case .namespace(let namespace): self = .namespace(namespace.name, namespace)
        case .pod(let pod): self = .pod(pod.reference, pod)
        case .networkPolicy(let policy): self = .networkPolicy(policy.reference, policy)
        }
    }

    init(removalOf object: ManifestObject) {
        switch object {
        case .namespace(let namespace): self = .namespace(namespace.name, nil)
        case .pod(let pod): self = .pod(pod.reference, nil)
        case .networkPolicy(let policy): self = .networkPolicy(policy.reference, nil)
        }
    }
}

/// An object and where in its file it begins.
struct PlacedObject: Hashable, Sendable {
    let object: ManifestObject
    let reference: ObjectReference
    let line: Int
    let column: Int

    init(_ object: ManifestObject, line: Int, column: Int) {
        self.object = object
        reference = object.reference
        self.line = line
        self.column = column
    }
}

/// What is in one file.
struct DecodedFile: Sendable, Equatable {
    /// A document of a kind that nothing here uses.
    struct Ignored: Hashable, Sendable {
        let apiVersion: String
        let kind: String
        let line: Int
    }

    /// The valid ones, in the order of the text. One object may be there twice.
    var objects: [PlacedObject] = []
    var errors: [ManifestError] = []
    var ignored: [Ignored] = []
}
