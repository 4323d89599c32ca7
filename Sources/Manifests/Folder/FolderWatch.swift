// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel

/// Calls for a look at a folder: at once, whenever something in it has changed, and once in a while all the same,
/// for what inotify can't see (network file systems, a symbolic link on the way that points elsewhere now).
enum FolderWatch {
    private static let lookAnyway = Duration.seconds(60)
    private static let settle = Duration.milliseconds(25)

    /// Runs until cancelled. `look` gives true if it saw a file that is being written at this moment: then it is
    /// called again soon. Throws if the folder can't be watched; it need not exist.
    static func run(_ path: String, look: () async -> Bool) async throws(SystemError) {
        let watcher = try FileWatcher(absolute(path))
        let (calls, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        continuation.yield()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in watcher.changes { continuation.yield() }
                continuation.finish()
            }
            group.addTask {
                while (try? await Task.sleep(for: lookAnyway)) != nil { continuation.yield() }
            }
            for await _ in calls {
                while await look() {
                    guard (try? await Task.sleep(for: settle)) != nil else { break }
                }
            }
            watcher.stop()
            group.cancelAll()
        }
    }

    private static func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        guard let current = unsafe getcwd(nil, 0) else { return path }
        defer { unsafe free(current) }
        return unsafe String(cString: current) + "/" + path
    }
}
