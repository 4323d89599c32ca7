// SPDX-License-Identifier: Apache-2.0

extension SkeinNetworkPolicy {
    /// Peers that have no labels, and groups of all kinds of peers.
    package enum Entity: String, CaseIterable, Sendable {
        /// This node: its own processes and the pods in its network. They always reach the node's pods.
        case host
        /// Other nodes.
        case remoteNode = "remote-node"
        /// The API server, in the cluster or outside.
        case kubeAPIServer = "kube-apiserver"
        case health
        /// Pods whose labels aren't known yet.
        case `init`
        /// Whatever is outside the cluster.
        case world
        /// All pods and all nodes: everything but `world`.
        case cluster
        /// Everything.
        case all
    }

    /// What an `endpointSelector`, or an element of `fromEndpoints` or `toEndpoints`, selects.
    package enum Selection: Hashable, Sendable {
        /// Pods by their labels. `namespaces`: by the labels of theirs, with ``Namespace/nameLabel`` for its name; nil:
        /// nothing was said of the namespace.
        case pods(LabelSelector, namespaces: LabelSelector?)
        /// What has no labels but `reserved:` ones.
        case entity(Entity)
    }

    /// The label by which a selector chooses the namespace of pods.
    package static let namespaceKey = "io.kubernetes.pod.namespace"
    /// Before the key of a label of the pods' namespace. The second one is Cilium's.
    package static let namespaceLabelPrefixes = ["dev.skein.k8s.namespace.labels.", "io.cilium.k8s.namespace.labels."]

    /// nil, with the reason in `errors`, if the selector can't be meant. Labels may be written with a source before
    /// the key: `k8s:app` and `any:app` are `app`; `reserved:host` is the entity.
    static func resolve(_ selector: LabelSelector, at path: String, _ errors: inout FieldErrors) -> Selection? {
        var resolver = SelectorResolver(path: path)
        resolver.take(selector)
        errors.append(resolver.errors)
        guard resolver.errors.list.isEmpty else { return nil }
        return resolver.selection
    }

    /// Of a selector that `validate()` has no errors for.
    package static func resolve(_ selector: LabelSelector) -> Selection? {
        var errors = FieldErrors()
        return resolve(selector, at: "", &errors)
    }
}

/// Sorts the parts of a selector by what they are about.
private struct SelectorResolver {
    let path: String
    var errors = FieldErrors()
    private var pods = LabelSelector()
    private var namespaces: LabelSelector?
    private var entity: SkeinNetworkPolicy.Entity?

    init(path: String) {
        self.path = path
    }

    private enum Subject {
        case pod(String)
        case namespace(String)
        case reserved(String)
    }

    mutating func take(_ selector: LabelSelector) {
        for label in selector.matchLabels {
            let path = "\(path).matchLabels[\(label.key)]"
            switch subject(of: label.key, at: path) {
            case .pod(let key):
                pods.require(key, label.value)
                errors.add(path, value: label.value, Syntax.labelValueProblem(label.value))
            case .namespace(let key):
                var selector = namespaces ?? LabelSelector()
                selector.require(key, label.value)
                namespaces = selector
                errors.add(path, value: label.value, Syntax.labelValueProblem(label.value))
            case .reserved(let name):
                takeEntity(name, at: path)
                if !label.value.isEmpty { errors.add(path, "a reserved label has no value") }
            case nil: break
            }
        }
        for (index, requirement) in selector.matchExpressions.enumerated() {
            take(requirement, at: "\(path).matchExpressions[\(index)]")
        }
        if entity != nil, selector.matchLabels.count + selector.matchExpressions.count > 1 {
            errors.add(path, "a reserved label must be the only one in its selector: nothing has it and others")
        }
    }

    var selection: SkeinNetworkPolicy.Selection { entity.map { .entity($0) } ?? .pods(pods, namespaces: namespaces) }

    private mutating func take(_ requirement: LabelSelector.Requirement, at path: String) {
        var requirement = requirement
        switch subject(of: requirement.key, at: "\(path).key") {
        case .pod(let key):
            requirement.key = key
            pods.matchExpressions.append(requirement)
            errors.addOperator(path, requirement)
        case .namespace(let key):
            requirement.key = key
            var selector = namespaces ?? LabelSelector()
            // Every pod has a namespace; without one there is nothing but what has no labels at all.
            if key == Namespace.nameLabel, requirement.operator == .doesNotExist {
                errors.add(path, "every pod has a namespace: name what isn't in one with entities")
            }
            selector.matchExpressions.append(requirement)
            namespaces = selector
            errors.addOperator(path, requirement)
        case .reserved(let name):
            takeEntity(name, at: "\(path).key")
            if requirement.operator != .exists { errors.add("\(path).operator", "a reserved label can only be Exists") }
        case nil: break
        }
    }

    private mutating func takeEntity(_ name: String, at path: String) {
        switch SkeinNetworkPolicy.Entity(rawValue: name) {
        case nil, .cluster, .all: errors.add(path, "there is no reserved label \"\(name)\" here")
        case let known: entity = known
        }
    }

    private mutating func subject(of key: String, at path: String) -> Subject? {
        var name = Substring(key)
        if let colon = key.firstIndex(of: ":") {
            name = key[key.index(after: colon)...]
            switch key[..<colon] {
            case "k8s", "any": break
            case "reserved": return .reserved(String(name))
            case let source:
                errors.add(path, "no label here has the source \"\(source)\": k8s, any and reserved are known")
                return nil
            }
        }
        if name == SkeinNetworkPolicy.namespaceKey { return .namespace(Namespace.nameLabel) }
        var isNamespaceLabel = false
        for prefix in SkeinNetworkPolicy.namespaceLabelPrefixes where name.hasPrefix(prefix) {
            name = name.dropFirst(prefix.count)
            isNamespaceLabel = true
        }
        if !isNamespaceLabel, name.hasPrefix("io.cilium.") || name.hasPrefix("dev.skein.") {
            errors.add(path, "selecting by \"\(name)\" is not supported yet")
            return nil
        }
        if let problem = Syntax.labelKeyProblem(String(name)) {
            errors.add(path, "\"\(name)\" \(problem)")
            return nil
        }
        return isNamespaceLabel ? .namespace(String(name)) : .pod(String(name))
    }
}

extension LabelSelector {
    /// One more label that must be there: "k8s:app" and "app" in one selector both have to hold.
    fileprivate mutating func require(_ key: String, _ value: String) {
        if matchLabels[key] == nil {
            matchLabels[key] = value
        } else {
            matchExpressions.append(Requirement(key: key, operator: .in, values: [value]))
        }
    }
}
