// SPDX-License-Identifier: Apache-2.0

extension Field {
    /// The field at a path below this one, such as `spec.ingress[1].from[0]` or `metadata.labels[app]`; the last
    /// one on the way that is there if the path leads further.
    package func descendant(_ path: String) -> Field {
        var node = node
        for step in Self.steps(of: path) {
            guard let next = Self.child(step, of: node) else { break }
            node = next
        }
        return Field(node: node, path: self.path.isEmpty ? path : "\(self.path).\(path)", log: log)
    }

    /// "a.b[c.d][0]" is a, b, c.d and 0.
    private static func steps(of path: String) -> [Substring] {
        var steps: [Substring] = []
        var rest = path[...]
        while let first = rest.first {
            if first == "[" {
                let end = rest.firstIndex(of: "]") ?? rest.endIndex
                steps.append(rest[rest.index(after: rest.startIndex)..<end])
                rest = rest[end...].dropFirst()
            } else {
                let name = (first == "." ? rest.dropFirst() : rest).prefix { $0 != "." && $0 != "[" }
                steps.append(name)
                rest = rest[name.endIndex...]
            }
        }
        return steps
    }

    private static func child(_ step: Substring, of node: FieldNode) -> FieldNode? {
        switch node.value {
        case .map:
            return node[String(step)]
        case .list(let list):
            guard let index = Int(step), list.indices.contains(index) else { return nil }
            return list[index]
        default:
            return nil
        }
    }
}
