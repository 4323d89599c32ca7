// SPDX-License-Identifier: Apache-2.0

/// Which objects of a kind are meant.
package struct ObjectSelection: Hashable, Sendable {
    /// nil: of all namespaces.
    package var namespace: String?
    /// "app=web,tier!=db"
    package var labelSelector: String?
    /// "spec.nodeName=node-1"
    package var fieldSelector: String?

    package init(namespace: String? = nil, labelSelector: String? = nil, fieldSelector: String? = nil) {
        self.namespace = namespace
        self.labelSelector = labelSelector
        self.fieldSelector = fieldSelector
    }

    var query: [(name: String, value: String)] {
        var query: [(name: String, value: String)] = []
        if let labelSelector { query.append(("labelSelector", labelSelector)) }
        if let fieldSelector { query.append(("fieldSelector", fieldSelector)) }
        return query
    }
}

/// How fresh a list must be.
package enum ListFreshness: Hashable, Sendable {
    /// Whatever a server has at hand, which may be seconds old: costs it least.
    case any
    /// At least this version.
    case notOlderThan(String)
    /// All that was written before the list began.
    case latest
}

/// An object that came from the server, or what can be said of it.
package enum Received<Object: KubeObject>: Sendable {
    case object(Object)
    /// It is there, but can't be understood; `problem` says where.
    case undecodable(ObjectKey, version: String, problem: String)
}

extension Received {
    package var key: ObjectKey {
        switch self {
        case .object(let object): object.metadata.key
        case .undecodable(let key, _, _): key
        }
    }

    package var version: String {
        switch self {
        case .object(let object): object.metadata.resourceVersion
        case .undecodable(_, let version, _): version
        }
    }
}

extension Received: Equatable where Object: Equatable {}

/// What a list tells while it comes in.
package enum ListPart<Object: KubeObject>: Sendable {
    case objects([Received<Object>])
    /// The server could not go on; the list begins anew, forget what it told.
    case restarted
}
