// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Kernel

/// Endpoints as files, one each, so that a new agent knows what the last one promised.
package protocol EndpointStoring: Sendable {
    /// Replaces what is remembered of the record's endpoint.
    func save(_ record: EndpointRecord) throws
    /// Forgets it; one that is not remembered is no error.
    func remove(_ key: EndpointKey) throws
    /// All that are remembered, and each file that can't be read, which stays.
    func load() throws -> (records: [EndpointRecord], unreadable: [UnreadableEndpoint])
    /// Forgets what can't be read.
    func remove(_ file: UnreadableEndpoint) throws
}

/// A file that should say what there is to know of an endpoint.
package struct UnreadableEndpoint: Hashable, Sendable, CustomStringConvertible {
    let path: String
    let reason: String
    /// Whose it is by its name; nil for a name that no endpoint's file has.
    let key: EndpointKey?

    package var description: String { "\(path): \(reason)" }
}

/// Starting would cost running pods their network.
package struct EndpointsUnreadable: Error, CustomStringConvertible {
    let files: [UnreadableEndpoint]

    package var description: String {
        let list = files.map { "\($0) (device \($0.key?.hostInterfaceName ?? "unknown"))" }.joined(separator: "; ")
        return "what is remembered of \(files.count == 1 ? "a running pod" : "\(files.count) running pods") can't be "
            + "read: \(list). The pods keep their traffic while no agent runs: start the version that wrote the files, "
            + "or remove them, which costs these pods their network until they are made anew"
    }
}

/// The store in a run directory.
package struct EndpointStore: EndpointStoring {
    private let directory: String

    /// - Parameter directory: exists already.
    package init(directory: String) {
        self.directory = directory
    }

    package func save(_ record: EndpointRecord) throws {
        try AtomicFile.write(record.json.bytes, to: path(of: record.key))
    }

    package func remove(_ key: EndpointKey) throws {
        try AtomicFile.remove(path(of: key))
    }

    package func remove(_ file: UnreadableEndpoint) throws {
        try AtomicFile.remove(file.path)
    }

    package func load() throws -> (records: [EndpointRecord], unreadable: [UnreadableEndpoint]) {
        try AtomicFile.removeTemporaries(in: directory)
        var records: [EndpointRecord] = []
        var unreadable: [UnreadableEndpoint] = []
        for name in try Directory.names(in: directory) {
            let path = "\(directory)/\(name)"
            do {
                records.append(try EndpointRecord(json: try JSONValue(parsing: try AtomicFile.read(path))))
            } catch {
                unreadable.append(
                    UnreadableEndpoint(
                        path: path, reason: "\(error)", key: Tombstone.endpoint(ofFile: name)))
            }
        }
        return (records.sorted { $0.number < $1.number }, unreadable)
    }

    private func path(of key: EndpointKey) -> String {
        "\(directory)/\(Tombstone(key).fileName)"
    }
}
