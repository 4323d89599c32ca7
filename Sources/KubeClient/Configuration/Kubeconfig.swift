// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Yams

/// One or more kubeconfig files, merged as kubectl does: of each name the first file that has it counts.
package struct Kubeconfig: Sendable {
    /// A value, and the file that it came from: paths in it are relative to that.
    struct Sourced<Value>: Sendable where Value: Sendable {
        let value: Value
        let file: String
    }

    private(set) var currentContext: Sourced<String>?
    private(set) var clusters: [String: Sourced<KubeconfigFile.Cluster>] = [:]
    private(set) var contexts: [String: Sourced<KubeconfigFile.Context>] = [:]
    private(set) var users: [String: Sourced<KubeconfigFile.User>] = [:]
    /// For messages: the files that were read.
    private(set) var files: [String] = []

    /// Reads `paths` in their order. With `mayBeMissing`, those that do not exist are left out, if there is one left.
    package static func load(_ paths: [String], mayBeMissing: Bool) throws(ConfigurationError) -> Kubeconfig {
        var result = Kubeconfig()
        for path in paths {
            if mayBeMissing, !FileManager.default.fileExists(atPath: path) { continue }
            try result.add(try readFile(path), file: path)
        }
        guard !result.files.isEmpty else {
            throw ConfigurationError(file: paths.joined(separator: ":"), "none of these files exists")
        }
        return result
    }

    private mutating func add(_ bytes: [UInt8], file: String) throws(ConfigurationError) {
        let parsed: KubeconfigFile
        do {
            parsed = try YAMLDecoder().decode(KubeconfigFile.self, from: Data(bytes))
        } catch let error as DecodingError {
            throw Self.failure(error, file: file)
        } catch {
            throw ConfigurationError(file: file, "is not YAML: \(error)")
        }
        files.append(file)
        if currentContext == nil, let name = parsed.currentContext, !name.isEmpty {
            currentContext = Sourced(value: name, file: file)
        }
        for entry in parsed.clusters ?? [] where clusters[entry.name] == nil {
            clusters[entry.name] = Sourced(value: entry.value, file: file)
        }
        for entry in parsed.contexts ?? [] where contexts[entry.name] == nil {
            contexts[entry.name] = Sourced(value: entry.value, file: file)
        }
        for entry in parsed.users ?? [] where users[entry.name] == nil {
            users[entry.name] = Sourced(value: entry.value, file: file)
        }
    }

    private static func failure(_ error: DecodingError, file: String) -> ConfigurationError {
        let context: DecodingError.Context
        var keys: [any CodingKey] = []
        switch error {
        case .keyNotFound(let key, let found):
            return ConfigurationError(file: file, field: fieldPath(found.codingPath + [key]), "is missing")
        case .typeMismatch(_, let found), .valueNotFound(_, let found), .dataCorrupted(let found):
            context = found
            keys = found.codingPath
        @unknown default: return ConfigurationError(file: file, "\(error)")
        }
        if keys.isEmpty, let underlying = context.underlyingError {
            return ConfigurationError(file: file, "is not YAML: \(underlying)")
        }
        return ConfigurationError(file: file, field: keys.isEmpty ? "" : fieldPath(keys), context.debugDescription)
    }
}
