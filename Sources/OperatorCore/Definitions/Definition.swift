// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import KubeClient

/// A CustomResourceDefinition that we bring along.
package struct Definition: Hashable, Sendable {
    /// The annotation that tells newer definitions from older ones: a whole number. One that we bring along must have it.
    package static let versionKey = "skein.dev/crd-version"

    package let name: String
    package let version: Int
    /// The whole object.
    package let object: JSONTree

    package init(name: String, version: Int, object: JSONTree) {
        self.name = name
        self.version = version
        self.object = object
    }
}

/// Why the definitions that we are to bring along can't be read.
package struct DefinitionError: Error, Hashable, CustomStringConvertible {
    package let file: String
    package let text: String

    package var description: String { "\(file): \(text)" }
}

extension Definition {
    /// All of a folder's `.yaml` and `.yml` files, in the order of their names. A folder without any is an error.
    package static func load(folder: String) throws(DefinitionError) -> [Definition] {
        let files: [String]
        do {
            files = try FileManager.default.contentsOfDirectory(atPath: folder)
                .filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.sorted()
        } catch {
            throw DefinitionError(file: folder, text: "the folder of the CRDs can't be read: \(error)")
        }
        var definitions: [Definition] = []
        for file in files {
            let path = "\(folder)/\(file)"
            guard let bytes = FileManager.default.contents(atPath: path) else {
                throw DefinitionError(file: path, text: "can't be read")
            }
            for definition in try parse(String(decoding: bytes, as: UTF8.self), file: path) {
                guard !definitions.contains(where: { $0.name == definition.name }) else {
                    throw DefinitionError(file: path, text: "\(definition.name) is defined twice")
                }
                definitions.append(definition)
            }
        }
        guard !definitions.isEmpty else { throw DefinitionError(file: folder, text: "there are no CRDs in it") }
        return definitions
    }

    static func parse(_ text: String, file: String) throws(DefinitionError) -> [Definition] {
        let documents: [JSONTree]
        do {
            documents = try JSONTree.documents(yaml: text)
        } catch {
            throw DefinitionError(file: file, text: "\(error)")
        }
        var definitions: [Definition] = []
        for object in documents {
            let descriptor = KubeCustomResourceDefinition.resource.descriptor
            guard object["kind"].text == descriptor.kind, object["apiVersion"].text == descriptor.apiVersion else {
                throw DefinitionError(file: file, text: "is no \(descriptor.kind) of \(descriptor.apiVersion)")
            }
            guard let name = object["metadata"]["name"].text, !name.isEmpty else {
                throw DefinitionError(file: file, text: "metadata.name is missing")
            }
            guard let version = object["metadata"]["annotations"][versionKey].text.flatMap({ Int($0) }), version > 0
            else {
                throw DefinitionError(
                    file: file, text: "metadata.annotations[\(versionKey)] is not a whole number from 1 on, in quotes")
            }
            definitions.append(Definition(name: name, version: version, object: object))
        }
        return definitions
    }
}
