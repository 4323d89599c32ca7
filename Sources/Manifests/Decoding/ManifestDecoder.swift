// SPDX-License-Identifier: Apache-2.0
import Model
import ObjectDecoding

/// Reads the documents of one file. Every document stands for itself: what is wrong with one hides no other.
struct ManifestDecoder {
    private static let networking = "networking.k8s.io/v1"
    private static let listSuffix = "List"
    /// The version of every kind that is read, and of their lists.
    private static let versions: [String: String] = {
        var versions = ["List": "v1"]
        for kind in ObjectDecoder.kinds.values {
            versions[kind.name] = kind.apiVersion
            versions[kind.name + listSuffix] = kind.apiVersion
        }
        return versions
    }()
    /// What else there is in networking.k8s.io/v1. A document of that group with any other kind is a NetworkPolicy
    /// misspelt as likely as not, and must not be ignored.
    private static let otherNetworkingKinds: Set<String> = [
        "IPAddress", "IPAddressList", "Ingress", "IngressClass", "IngressClassList", "IngressList", "ServiceCIDR",
        "ServiceCIDRList",
    ]

    /// What else there is in skein.dev/v1.
    private static let otherSkeinKinds: Set<String> = [
        "SkeinEndpointSlice", "SkeinEndpointSliceList", "SkeinIdentity", "SkeinIdentityList", "SkeinNode",
        "SkeinNodeList",
    ]

    private let file: String
    private var result = DecodedFile()
    /// Where the text of the document begins in the file.
    private var firstLine = 1

    private init(file: String) {
        self.file = file
    }

    /// `file` is for errors only.
    static func decode(_ bytes: [UInt8], file: String) -> DecodedFile {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            // Repaired, the text differs from the bytes at the first one that is wrong.
            let good = zip(bytes, String(decoding: bytes, as: UTF8.self).utf8).prefix { $0 == $1 }
            let line = 1 + good.count { $0.0 == UInt8(ascii: "\n") }
            return DecodedFile(errors: [ManifestError(file: file, line: line, message: "not UTF-8")])
        }
        return decode(text, file: file)
    }

    static func decode(_ text: String, file: String) -> DecodedFile {
        var decoder = ManifestDecoder(file: file)
        let byteOrderMark: Unicode.Scalar = "\u{feff}"
        let content = text.unicodeScalars.first == byteOrderMark ? String(text.unicodeScalars.dropFirst()) : text
        for document in DocumentSplitter.split(content) { decoder.decodeDocument(document) }
        return decoder.result
    }

    private mutating func decodeDocument(_ document: DocumentText) {
        let log = FieldLog()
        do {
            guard let root = try DocumentParser.parse(document) else { return }
            let node = NodeConverter.convert(root, textSize: document.text.utf8.count)
            firstLine = document.firstLine
            let field = Field(node: node, log: log)
            if !field.isNull { decodeObject(field) }
        } catch {
            result.errors.append(
                ManifestError(
                    file: file, line: error.place.line, column: error.place.column, message: error.message))
        }
        result.errors += log.problems.map { problem in
            ManifestError(
                file: file, line: line(problem.place), column: problem.place.column, object: problem.object,
                field: problem.path, message: problem.text)
        }
    }

    /// The line of the file.
    private func line(_ place: Place) -> Int { max(place.line, 1) + firstLine - 1 }

    /// `defaults`: what an element of a typed list need not say again.
    private mutating func decodeObject(_ field: Field, defaults: (apiVersion: String, kind: String)? = nil) {
        let log = field.log
        log.object = nil
        guard var map = field.mapping() else { return }
        let kindField = defaults == nil ? map.required("kind") : map.optional("kind")
        let versionField = defaults == nil ? map.required("apiVersion") : map.optional("apiVersion")
        guard let kind = kindField.map({ $0.string() }) ?? defaults?.kind,
            let apiVersion = versionField.map({ $0.string() }) ?? defaults?.apiVersion
        else { return }
        guard let version = Self.versions[kind] else {
            if let near = Self.misspelt(kind, apiVersion) {
                kindField?.report("there is no kind \"\(kind)\" in \(apiVersion)\(near)")
            } else {
                result.ignored.append(.init(apiVersion: apiVersion, kind: kind, line: line(field.node.place)))
            }
            return
        }
        guard version == apiVersion else {
            log.object = ObjectDecoder.nameForErrors(kind, field.node)
            (versionField ?? field).report("\"\(apiVersion)\" is not \(version), the only version of \(kind) here")
            return
        }
        if let known = ObjectDecoder.kinds[kind] {
            guard let object = ObjectDecoder.decode(known, field) else { return }
            let place = field.node.place
            result.objects.append(PlacedObject(object, line: line(place), column: place.column))
        } else {
            let element = kind.dropLast(Self.listSuffix.count)
            decodeList(map, defaults: element.isEmpty ? nil : (apiVersion, String(element)))
        }
    }

    private mutating func decodeList(_ list: FieldMap, defaults: (String, String)?) {
        var list = list
        guard let items = list.given("items") else {
            list.report("a list must have items")
            return
        }
        for item in items.elements() ?? [] {
            if item.node["items"] != nil {
                item.report("a list must not hold another list")
                continue
            }
            decodeObject(item, defaults: defaults)
        }
        list.refuseOthers(ignoring: ["apiVersion", "kind", "metadata"])
    }

    /// A hint behind the error if the kind can only be a mistake, nil if it may be one that is not ours.
    private static func misspelt(_ kind: String, _ apiVersion: String) -> String? {
        let near = versions.keys.first { $0.lowercased() == kind.lowercased() }
        if let near { return "; did you mean \"\(near)\"?" }
        return switch apiVersion {
        case networking: otherNetworkingKinds.contains(kind) ? nil : ""
        case "skein.dev/v1": otherSkeinKinds.contains(kind) ? nil : ""
        default: nil
        }
    }
}
