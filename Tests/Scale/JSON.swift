// SPDX-License-Identifier: Apache-2.0
import KubeClient

/// JSON as a literal, for what of an object only the API server has to understand.
enum JSON: Encodable, Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    case text(String)
    case number(Int)
    case bool(Bool)
    case list([JSON])
    case object([String: JSON])

    init(stringLiteral value: String) { self = .text(value) }
    init(integerLiteral value: Int) { self = .number(value) }
    init(arrayLiteral elements: JSON...) { self = .list(elements) }
    init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(Dictionary(uniqueKeysWithValues: elements))
    }

    init(_ labels: [String: String]) { self = .object(labels.mapValues { .text($0) }) }
    init(_ values: [String]) { self = .list(values.map { .text($0) }) }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let text): try container.encode(text)
        case .number(let number): try container.encode(number)
        case .bool(let value): try container.encode(value)
        case .list(let list): try container.encode(list)
        case .object(let members): try container.encode(members)
        }
    }
}

/// An object of any kind, to be sent. What comes back is not looked at.
struct Document: KubeObject, Encodable {
    var metadata: ObjectMeta
    var spec: JSON?

    static func resource(
        _ plural: String, _ kind: String, group: String = "", isNamespaced: Bool = true
    ) -> Resource<Document> {
        Resource(
            ResourceDescriptor(
                group: group, version: "v1", plural: plural, kind: kind, isNamespaced: isNamespaced)
        ) { _ in Document(metadata: ObjectMeta(name: ""), spec: nil) }
    }

    static let namespaces = resource("namespaces", "Namespace", isNamespaced: false)
    static let nodes = resource("nodes", "Node", isNamespaced: false)
    static let pods = resource("pods", "Pod")
    static let accounts = resource("serviceaccounts", "ServiceAccount")
    static let networkPolicies = resource("networkpolicies", "NetworkPolicy", group: "networking.k8s.io")
    static let skeinPolicies = resource("skeinnetworkpolicies", "SkeinNetworkPolicy", group: "skein.dev")
}
