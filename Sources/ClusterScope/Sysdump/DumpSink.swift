// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
package import SystemPackage

/// Where a dump's files go.
package protocol DumpSink {
    /// `path` is relative; each comes once.
    mutating func add(_ path: String, _ contents: [UInt8]) throws
    /// Nothing comes any more.
    mutating func finish() throws
}

/// Files in a folder that must not be there yet.
package struct FolderSink: DumpSink {
    private let folder: FilePath

    package init(_ folder: FilePath) throws {
        guard !FileManager.default.fileExists(atPath: folder.string) else {
            throw DumpError("\(folder) is there already")
        }
        try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
        self.folder = folder
    }

    package mutating func add(_ path: String, _ contents: [UInt8]) throws {
        let file = folder.appending(FilePath(path).components)
        try FileManager.default.createDirectory(
            atPath: file.removingLastComponent().string, withIntermediateDirectories: true)
        try FileDescriptor.writeNew(file, contents)
    }

    package mutating func finish() {}
}

/// A tar archive that must not be there yet.
package struct ArchiveSink: DumpSink {
    private let file: FileDescriptor
    /// In front of every path.
    private let root: String
    private let time: Int64

    /// - Parameters:
    ///   - root: the one folder that the archive unpacks to.
    ///   - time: of all files, seconds since 1970.
    package init(_ path: FilePath, root: String, time: Int64) throws {
        do {
            file = try FileDescriptor.open(
                path, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec], permissions: .ownerReadWrite)
        } catch {
            throw DumpError("\(path) can't be made: \(error)")
        }
        self.root = root
        self.time = time
    }

    package mutating func add(_ path: String, _ contents: [UInt8]) throws {
        _ = try file.writeAll(try Ustar.entry("\(root)/\(path)", contents, time: time))
    }

    package mutating func finish() throws {
        _ = try file.closeAfter { try file.writeAll(Ustar.end) }
    }
}

package struct DumpError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}

extension FileDescriptor {
    fileprivate static func writeNew(_ path: FilePath, _ contents: [UInt8]) throws {
        let file = try open(
            path, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec], permissions: .ownerReadWrite)
        _ = try file.closeAfter { try file.writeAll(contents) }
    }
}
