// SPDX-License-Identifier: Apache-2.0
//
// Compares three lists with one another: the layer table, the dependencies
// that Package.swift declares, and the `import` lines of the sources. Prints
// one line a finding and exits 1 if there is any, 2 if it could not look.
//
// usage: check-imports <package dump as JSON> <layer table> <root of the sources>
import Foundation

struct Package: Decodable {
    struct Target: Decodable {
        struct Dependency: Decodable {
            let name: String

            private enum CodingKeys: String, CodingKey, CaseIterable { case byName, target, product }

            /// Each kind is written as an array whose first element is the name.
            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: CodingKeys.self)
                for key in CodingKeys.allCases where container.contains(key) {
                    var list = try container.nestedUnkeyedContainer(forKey: key)
                    name = try list.decode(String.self)
                    return
                }
                throw DecodingError.dataCorrupted(
                    .init(codingPath: decoder.codingPath, debugDescription: "a dependency of no known kind"))
            }
        }

        let name: String
        let type: String
        let path: String?
        let dependencies: [Dependency]

        var folder: String { path ?? (type == "test" ? "Tests/" : "Sources/") + name }
        var declared: Set<String> { Set(dependencies.map(\.name)) }
    }

    let targets: [Target]
}

struct Import {
    let module: String
    let place: String
}

/// The module that a line of Swift imports, nil for any other line.
func importedModule(_ line: Substring) -> String? {
    var words = line.split(whereSeparator: \.isWhitespace)[...]
    while let word = words.first, word.hasPrefix("@") { words = words.dropFirst() }
    let levels: Set<Substring> = ["public", "package", "internal", "private", "fileprivate"]
    if let word = words.first, levels.contains(word) { words = words.dropFirst() }
    guard words.first == "import" else { return nil }
    words = words.dropFirst()
    let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "typealias", "let", "var"]
    if words.count > 1, let word = words.first, kinds.contains(word) { words = words.dropFirst() }
    return words.first.map { String($0.prefix { $0 != "." && $0 != ";" }) }
}

/// The imports of every Swift file under a folder; throws if the folder cannot be read.
func imports(under folder: URL, named name: String) throws -> [Import] {
    guard FileManager.default.fileExists(atPath: folder.path) else {
        throw CocoaError(.fileReadNoSuchFile, userInfo: [NSFilePathErrorKey: folder.path])
    }
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
    return try files.filter { $0.hasSuffix(".swift") }.sorted().flatMap { file in
        let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
        return text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap { number, line in
            importedModule(line).map { Import(module: $0, place: "\(name)/\(file):\(number + 1)") }
        }
    }
}

/// Rows of the layer table, in its order.
func layerTable(_ path: String) throws -> [(target: String, mayImport: Set<String>)] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").compactMap { line in
        let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).map(String.init)
        return words.first.map { ($0, Set(words.dropFirst())) }
    }
}

func findings(package: Package, table: [(target: String, mayImport: Set<String>)], root: URL) throws -> [String] {
    var found: [String] = []
    let targets = Set(package.targets.map(\.name))
    let products = package.targets.reduce(into: Set<String>()) { $0.formUnion($1.declared) }
    var rows: [String: Set<String>] = [:]
    for (target, mayImport) in table {
        for module in mayImport.intersection(targets).sorted() where rows[module] == nil {
            found.append("layer table: \(target) may import \(module), which stands below it")
        }
        if rows.updateValue(mayImport, forKey: target) != nil { found.append("layer table: two rows for \(target)") }
        if !targets.contains(target) { found.append("layer table: no target is named \(target)") }
    }

    for target in package.targets {
        let row = rows[target.name]
        if row == nil, target.type != "test" { found.append("layer table: no row for \(target.name)") }
        if let row {
            for name in target.declared.subtracting(row).sorted() {
                found.append("Package.swift: \(target.name) declares \(name), which its layer may not import")
            }
        }
        let lines = try imports(under: root.appendingPathComponent(target.folder), named: target.folder)
        for line in lines where line.module != target.name {
            if let row, !row.contains(line.module) {
                found.append("\(line.place): \(target.name) may not import \(line.module)")
            } else if targets.union(products).contains(line.module), !target.declared.contains(line.module) {
                found.append("\(line.place): \(target.name) imports \(line.module) without declaring it")
            }
        }
        for name in target.declared.subtracting(lines.map(\.module)).sorted() {
            found.append("Package.swift: \(target.name) declares \(name) and never imports it")
        }
    }
    return found
}

func fail(_ message: String) -> Never {
    FileHandle.standardError.write(Data("check-imports: \(message)\n".utf8))
    exit(2)
}

let arguments = CommandLine.arguments
guard arguments.count == 4 else { fail("usage: check-imports <package.json> <layers> <root>") }
do {
    let package = try JSONDecoder().decode(Package.self, from: Data(contentsOf: URL(fileURLWithPath: arguments[1])))
    let found = try findings(
        package: package, table: layerTable(arguments[2]), root: URL(fileURLWithPath: arguments[3]))
    for line in found { print(line) }
    if !found.isEmpty { exit(1) }
} catch {
    fail("\(error)")
}
