// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel

/// What is in a file that has changed.
enum FileContent: Sendable, Equatable {
    case bytes([UInt8])
    /// It is there, but can't be read: why.
    case unreadable(String)
}

/// Reads the files of one folder by their endings, and tells which have changed since it last looked.
///
/// Hidden files and what is in subfolders are left out: a ConfigMap's mount keeps its versions in hidden folders,
/// and shows the files of the current one as symbolic links.
struct FolderReader: Sendable {
    struct Look {
        /// The names of all files that are there.
        var present: Set<String> = []
        var changed: [String: FileContent] = [:]
        /// A changed file was left out because it is being written; look again soon.
        var isUnsettled = false
    }

    /// A file is being written if it was written to in the last 50 ms; after twenty looks at a file that never
    /// comes to rest it is read as it is.
    private static let quiet: Int64 = 50_000_000
    private static let patience = 20

    let path: String
    private let endings: [String]
    /// Files beyond this size are refused.
    private let sizeLimit: Int
    private var states: [String: State] = [:]
    private var postponed: [String: Int] = [:]

    /// What the last look at a file found. A change is seen even if size and times are as before.
    private enum State: Hashable {
        case read(count: Int, hash: Int)
        case unreadable(String)
    }

    init(path: String, endings: [String], sizeLimit: Int) {
        self.path = path
        self.endings = endings
        self.sizeLimit = sizeLimit
    }

    /// As if it had never looked, but with no more patience than it had left.
    var anew: FolderReader {
        var reader = FolderReader(path: path, endings: endings, sizeLimit: sizeLimit)
        reader.postponed = postponed
        return reader
    }

    /// Throws, and forgets nothing, if the folder can't be listed.
    mutating func look() throws(SystemError) -> Look {
        let names = try Directory.rawNames(in: path).map(Self.name).filter { isWanted($0.text) }
        var look = Look()
        for (name, isText) in names.sorted(by: { $0.text < $1.text }) {
            guard let (content, age) = isText ? read(name) : Self.nameless else { continue }
            look.present.insert(name)
            let state = Self.state(of: content)
            if states[name] == state {
                postponed[name] = nil
            } else if age.magnitude < Self.quiet, postponed[name, default: 0] < Self.patience {
                postponed[name, default: 0] += 1
                look.isUnsettled = true
            } else {
                postponed[name] = nil
                states[name] = state
                look.changed[name] = content
            }
        }
        states = states.filter { look.present.contains($0.key) }
        postponed = postponed.filter { look.present.contains($0.key) }
        return look
    }

    /// A name that is no text can't be opened by what a person reads of it, nor be remembered: it is an error to be put
    /// right.
    private static let nameless = (content: FileContent.unreadable("its name is not UTF-8: rename it"), age: Int64.max)

    /// A file's name for people: what is not UTF-8 in it is written as `\xE9`.
    private static func name(_ bytes: [UInt8]) -> (text: String, isText: Bool) {
        if let text = String(validating: bytes, as: UTF8.self) { return (text, true) }
        var text = ""
        var rest = bytes[...]
        while let first = rest.first {
            let length = (1...min(4, rest.count)).first { String(validating: rest.prefix($0), as: UTF8.self) != nil }
            if let length {
                text += String(decoding: rest.prefix(length), as: UTF8.self)
            } else {
                text += (first < 16 ? "\\x0" : "\\x") + String(first, radix: 16, uppercase: true)
            }
            rest.removeFirst(length ?? 1)
        }
        return (text, false)
    }

    private func isWanted(_ name: String) -> Bool {
        !name.hasPrefix(".") && endings.contains { name.hasSuffix($0) }
    }

    private static func state(of content: FileContent) -> State {
        switch content {
        case .bytes(let bytes):
            var hasher = Hasher()
            unsafe bytes.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
            return .read(count: bytes.count, hash: hasher.finalize())
        case .unreadable(let message):
            return .unreadable(message)
        }
    }

    /// The content and how many nanoseconds ago it was written. nil if there is no such file, or only a symbolic
    /// link to nowhere.
    private func read(_ name: String) -> (FileContent, age: Int64)? {
        let path = "\(path)/\(name)"
        var age = Int64.max
        do {
            // A pipe must not hold us up.
            let file = try OwnedFD.open(path, O_RDONLY | O_NONBLOCK)
            let raw = file.raw
            var info = stat()
            try retrying("fstat", path) { unsafe fstat(raw, &info) }
            var now = timespec()
            unsafe clock_gettime(CLOCK_REALTIME, &now)
            age = Self.nanoseconds(now) &- Self.nanoseconds(info.st_mtim)
            guard info.st_mode & S_IFMT == S_IFREG else { return (.unreadable("is not a regular file"), .max) }
            guard info.st_size <= sizeLimit else {
                return (.unreadable("is larger than \(sizeLimit >> 20) MiB"), age)
            }
            return (.bytes(try file.readAll(limit: sizeLimit, path)), age)
        } catch {
            return error.errno == .noEntry ? nil : (.unreadable("\(error)"), .max)
        }
    }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}
