// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import FoundationEssentials
import Kernel

/// Endpoints as files, one each, so that a new agent knows what the last one promised.
package protocol EndpointStoring: Sendable {
    /// Replaces what is remembered of the record's endpoint.
    func save(_ record: EndpointRecord) throws
    /// Forgets it; one that is not remembered is no error.
    func remove(_ key: EndpointKey) throws
    /// All that are remembered, and a description of each file that can't be read.
    func load() throws -> (records: [EndpointRecord], unreadable: [String])
}

/// The store in a run directory.
package struct EndpointStore: EndpointStoring {
    private let directory: String

    /// - Parameter directory: exists already.
    package init(directory: String) {
        self.directory = directory
    }

    package func save(_ record: EndpointRecord) throws {
        try AtomicFile.write(Array(try JSONText.encode(record)), to: path(of: record.key))
    }

    package func remove(_ key: EndpointKey) throws {
        try AtomicFile.remove(path(of: key))
    }

    /// Unreadable files are removed: what they stood for is found again by its veth and cleaned away.
    package func load() throws -> (records: [EndpointRecord], unreadable: [String]) {
        try AtomicFile.removeTemporaries(in: directory)
        var records: [EndpointRecord] = []
        var unreadable: [String] = []
        for name in try Directory.names(in: directory) {
            let path = "\(directory)/\(name)"
            do {
                records.append(try JSONDecoder().decode(EndpointRecord.self, from: Data(try AtomicFile.read(path))))
            } catch {
                unreadable.append("\(path): \(JSONText.describe(error))")
                try AtomicFile.remove(path)
            }
        }
        return (records.sorted { $0.number < $1.number }, unreadable)
    }

    private func path(of key: EndpointKey) -> String {
        "\(directory)/\(Tombstone(key).fileName)"
    }
}
