// SPDX-License-Identifier: Apache-2.0
package import Glibc

/// What the project does with directories.
package enum Directory {
    /// Creates `path` and what is missing above it; one that is there is no error (its mode stays).
    /// ENOTDIR if a file has its place.
    package static func create(_ path: String, mode: mode_t = 0o700) throws(SystemError) {
        if unsafe mkdir(path, mode) == 0 { return }
        switch errno {
        case EEXIST:
            guard try isDirectory(path) else { throw SystemError("mkdir", .notDirectory, path) }
        case ENOENT:
            let parent = parent(of: path)
            guard parent != path else { throw SystemError("mkdir", .noEntry, path) }
            try create(parent, mode: mode)
            try SystemError.ignoring(.exists) { () throws(SystemError) in
                try retrying("mkdir", path) { unsafe mkdir(path, mode) }
            }
        case let code:
            throw SystemError("mkdir", Errno(rawValue: code), path)
        }
    }

    /// ELOOP for a symbolic link, EPERM if it belongs to another user or others may write in it.
    package static func requirePrivate(_ path: String) throws(SystemError) {
        var status = stat()
        try retrying("lstat", path) { unsafe lstat(path, &status) }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw SystemError("use", Errno(rawValue: ELOOP), path, detail: "it is not a folder")
        }
        guard status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
            throw SystemError("use", .perm, path, detail: "others may write in it, or own it")
        }
    }

    /// The names of its entries, sorted, without "." and "..". ENOENT if it isn't there. What is not UTF-8 in a name is
    /// replaced (U+FFFD): no file is found by such a name.
    package static func names(in path: String) throws(SystemError) -> [String] {
        try rawNames(in: path).map { String(decoding: $0, as: UTF8.self) }.sorted()
    }

    /// Like ``names(in:)``, in no order and as the bytes that the kernel has.
    package static func rawNames(in path: String) throws(SystemError) -> [[UInt8]] {
        guard let stream = unsafe opendir(path) else { throw SystemError("opendir", Errno(rawValue: errno), path) }
        defer { unsafe _ = closedir(stream) }
        var names: [[UInt8]] = []
        while true {
            // The only way to tell the end from an error.
            errno = 0
            guard let entry = unsafe readdir(stream) else {
                if errno != 0 { throw SystemError("readdir", Errno(rawValue: errno), path) }
                return names
            }
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { unsafe Array($0.prefix { $0 != 0 }) }
            if name != [UInt8(ascii: ".")], name != Array("..".utf8) { names.append(name) }
        }
    }

    /// Removes an empty directory; one that is not there is no error.
    package static func remove(_ path: String) throws(SystemError) {
        try SystemError.ignoring(.noEntry) { () throws(SystemError) in
            try retrying("rmdir", path) { unsafe rmdir(path) }
        }
    }

    /// Removes a directory and everything in it, without following symbolic links or crossing into mounts
    /// (EBUSY at a mount point). One that is not there is no error.
    package static func removeTree(_ path: String) throws(SystemError) {
        for name in try namesIfThere(in: path) {
            let child = "\(path)/\(name)"
            var info = stat()
            guard unsafe lstat(child, &info) == 0 else { continue }
            if info.st_mode & S_IFMT == S_IFDIR {
                try removeTree(child)
            } else {
                try AtomicFile.remove(child)
            }
        }
        try remove(path)
    }

    /// Follows symbolic links.
    package static func isDirectory(_ path: String) throws(SystemError) -> Bool {
        var info = stat()
        try retrying("stat", path) { unsafe stat(path, &info) }
        return info.st_mode & S_IFMT == S_IFDIR
    }

    /// Like ``names(in:)``, empty if the directory is not there.
    package static func namesIfThere(in path: String) throws(SystemError) -> [String] {
        do { return try names(in: path) } catch {
            guard error.errno == .noEntry else { throw error }
            return []
        }
    }

    /// The path without its last component: "/" for "/x", "." for "x".
    package static func parent(of path: String) -> String {
        var trimmed = path[...]
        while trimmed.count > 1, trimmed.last == "/" { trimmed.removeLast() }
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    }
}
