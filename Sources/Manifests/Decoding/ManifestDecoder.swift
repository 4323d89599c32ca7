// SPDX-License-Identifier: Apache-2.0
import Model
import Yams

/// Reads the documents of one file. Every document stands for itself: what is wrong with one hides no other.
struct ManifestDecoder {
    private static let networking = "networking.k8s.io/v1"
    /// The kinds that are read, and the only version of each.
    private static let versions = [
        "Namespace": "v1", "NamespaceList": "v1", "Pod": "v1", "PodList": "v1", "List": "v1",
        "NetworkPolicy": networking, "NetworkPolicyList": networking,
    ]
    /// What else there is in networking.k8s.io/v1. A document of that group with any other kind is a NetworkPolicy
    /// misspelt as likely as not, and must not be ignored.
    private static let otherNetworkingKinds: Set<String> = [
        "IPAddress", "IPAddressList", "Ingress", "IngressClass", "IngressClassList", "IngressList", "ServiceCIDR",
        "ServiceCIDRList",
    ]

    private let file: String
    private var result = DecodedFile()

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
        let log = DecodeLog(file: file, firstLine: document.firstLine)
        defer { result.errors += log.errors }
        do {
            guard let root = try DocumentParser.parse(document) else { return }
            let field = Field(node: root, path: "", log: log)
            if field.isNull { return }
            decodeObject(field)
        } catch {
            result.errors.append(
                ManifestError(
                    file: file, line: error.place.line, column: error.place.column, message: error.message))
        }
    }

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
                result.ignored.append(.init(apiVersion: apiVersion, kind: kind, line: log.line(field.node.place)))
            }
            return
        }
        guard version == apiVersion else {
            log.object = Self.nameForErrors(kind, map)
            (versionField ?? field).report("\"\(apiVersion)\" is not \(version), the only version of \(kind) here")
            return
        }
        switch kind {
        case "List": decodeList(map, defaults: nil)
        case "NamespaceList", "PodList", "NetworkPolicyList":
            decodeList(map, defaults: (apiVersion, String(kind.dropLast("List".count))))
        default: decodeKnown(kind, field, map)
        }
    }

    private mutating func decodeList(_ list: FieldMap, defaults: (String, String)?) {
        var list = list
        guard let items = list.given("items") else {
            list.report("a list must have items")
            return
        }
        for item in items.elements() ?? [] {
            if item.node.mapping?.contains(where: { $0.key.scalar?.string == "items" }) == true {
                item.report("a list must not hold another list")
                continue
            }
            decodeObject(item, defaults: defaults)
        }
        list.refuseOthers(ignoring: ["apiVersion", "kind", "metadata"])
    }

    private mutating func decodeKnown(_ kind: String, _ field: Field, _ map: FieldMap) {
        let log = field.log
        log.object = Self.nameForErrors(kind, map)
        let errorsBefore = log.errors.count
        let (object, validate): (ManifestObject?, () -> [FieldError])
        switch kind {
        case "Namespace":
            let namespace = decodeNamespace(map)
            (object, validate) = (namespace.map { .namespace($0) }, { namespace?.validate() ?? [] })
        case "Pod":
            let pod = decodePod(map)
            (object, validate) = (pod.map { .pod($0) }, { pod?.validate() ?? [] })
        default:
            let policy = decodeNetworkPolicy(map)
            (object, validate) = (policy.map { .networkPolicy($0) }, { policy?.validate() ?? [] })
        }
        // What was read in part only would be reported a second time, and wrongly.
        guard let object, log.errors.count == errorsBefore else { return }
        for error in validate() { field.descendant(error.path).report(error.text) }
        guard log.errors.count == errorsBefore else { return }
        let place = field.node.place
        result.objects.append(PlacedObject(object, line: log.line(place), column: place.column))
    }

    /// The object as errors name it, before anything is known to be right: "NetworkPolicy default/web".
    private static func nameForErrors(_ kind: String, _ map: FieldMap) -> String? {
        guard let metadata = map.entries.first(where: { $0.key == "metadata" })?.value.mapping,
            let name = metadata.first(where: { $0.key.scalar?.string == "name" })?.value.scalar?.string
        else { return kind }
        let namespace = metadata.first { $0.key.scalar?.string == "namespace" }?.value.scalar?.string
        return ObjectReference(
            kind: kind, namespace: kind == "Namespace" ? "" : namespace ?? defaultNamespace, name: name
        ).description
    }

    /// A hint behind the error if the kind can only be a mistake, nil if it may be one that is not ours.
    private static func misspelt(_ kind: String, _ apiVersion: String) -> String? {
        let near = versions.keys.first { $0.lowercased() == kind.lowercased() }
        if let near { return "; did you mean \"\(near)\"?" }
        return apiVersion == networking && !otherNetworkingKinds.contains(kind) ? "" : nil
    }
}
