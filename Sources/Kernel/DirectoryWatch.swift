// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// inotify(7) on one directory and on every directory above it, so that it is found again after it was replaced.
struct DirectoryWatch: ~Copyable {
    private static let content = UInt32(
        IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ATTRIB)
    private static let replaced = UInt32(IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE)
    private static let moved = UInt32(IN_DELETE_SELF | IN_MOVE_SELF)
    /// What comes without being asked for.
    private static let gone = moved | UInt32(IN_UNMOUNT | IN_IGNORED)

    /// What a watch descriptor is for: two parts of the path may be one directory, through symbolic links.
    private struct Purpose {
        var isTarget = false
        /// The entries that lead on to the target.
        var next: Set<String> = []
    }

    private let components: [String]
    private var inotify: OwnedFD
    private var purposes: [Int32: Purpose] = [:]
    /// There are not all the watches that there should be: ``takeEvents()`` starts afresh.
    private(set) var isStale = false

    /// For poll(2).
    var fd: Int32 { inotify.raw }

    private init(_ components: [String], _ inotify: consuming OwnedFD) {
        self.components = components
        self.inotify = inotify
    }

    /// Watches from the moment that this returns. `path` is absolute; EINVAL otherwise.
    static func start(_ path: String) throws(SystemError) -> DirectoryWatch {
        guard path.first == "/" else { throw SystemError("watch", .invalid, path) }
        let inotify = OwnedFD(adopting: try checking("inotify_init1") { clinux_inotify() })
        var watch = DirectoryWatch(path.split(separator: "/").map(String.init), inotify)
        try watch.establish()
        return watch
    }

    mutating func markStale() { isStale = true }

    /// Takes all waiting events. True if the directory's content may have changed; it then watches what is at
    /// the path now.
    mutating func takeEvents() throws(SystemError) -> Bool {
        var changed = isStale
        var lost = isStale
        var buffer = [UInt8](repeating: 0, count: 4096)
        let raw = inotify.raw
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(raw, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { break }
            guard count > 0 else { throw SystemError("read", Errno(rawValue: errno), "inotify") }
            for event in Self.parse(buffer[..<count]) {
                if event.mask & UInt32(IN_Q_OVERFLOW) != 0 { (changed, lost) = (true, true) }
                guard let purpose = purposes[event.watch] else { continue }
                if event.mask & Self.gone != 0 || purpose.next.contains(event.name) { (changed, lost) = (true, true) }
                if purpose.isTarget, event.mask & Self.content != 0 { changed = true }
            }
        }
        if lost {
            isStale = true  // in case this throws
            inotify = OwnedFD(adopting: try checking("inotify_init1") { clinux_inotify() })
            try establish()
            isStale = false
        }
        return changed
    }

    /// Each directory is watched before it is asked for the next one, so none can appear in between unseen.
    private mutating func establish() throws(SystemError) {
        purposes = [:]
        var path = "/"
        for name in components {
            guard let watch = try add(path, Self.replaced) else { return }
            purposes[watch, default: Purpose()].next.insert(name)
            path += path == "/" ? name : "/" + name
        }
        guard let watch = try add(path, Self.content) else { return }
        purposes[watch, default: Purpose()].isTarget = true
    }

    /// nil if there is no such directory now.
    private func add(_ path: String, _ mask: UInt32) throws(SystemError) -> Int32? {
        let raw = inotify.raw
        let flags = mask | Self.moved | UInt32(IN_ONLYDIR) | UInt32(IN_MASK_ADD)
        do {
            return try retrying("inotify_add_watch", path) { unsafe inotify_add_watch(raw, path, flags) }
        } catch {
            guard [.noEntry, .notDirectory].contains(error.errno) else { throw error }
            return nil
        }
    }

    private struct Event {
        let watch: Int32
        let mask: UInt32
        let name: String
    }

    /// struct inotify_event: watch, mask, cookie, length, then a name padded with zeros to that length.
    private static func parse(_ bytes: ArraySlice<UInt8>) -> [Event] {
        var events: [Event] = []
        var rest = bytes
        while rest.count >= 16 {
            let word = { (offset: Int) in
                (0..<4).reduce(UInt32(0)) { $0 | UInt32(rest[rest.startIndex + offset + $1]) << (UInt32($1) * 8) }
            }
            let length = Int(word(12))
            guard length <= rest.count - 16 else { break }
            let name = rest.dropFirst(16).prefix(length).prefix { $0 != 0 }
            events.append(
                Event(
                    watch: Int32(bitPattern: word(0)), mask: word(4), name: String(decoding: name, as: UTF8.self)))
            rest = rest.dropFirst(16 + length)
        }
        return events
    }
}
