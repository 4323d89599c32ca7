// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// Says when something in a directory has changed: entries added, written and closed, renamed or removed.
///
/// The watch is in place when `init` returns, so a first look at the directory after that misses nothing. The
/// directory need not exist, and may be removed, replaced or mounted over: the way to its path is watched too.
/// Subdirectories are not.
package final class FileWatcher: Sendable {
    /// One element for any number of changes since the last one was taken; never more than one waits. It ends
    /// when the watcher is stopped or released. For one consumer.
    package let changes: AsyncStream<Void>

    private let control: Control

    /// Watches `path`, which is absolute. After a change it waits until `settle` milliseconds have passed without
    /// another one (at most ten times that long), so that a burst of writes is one notification.
    package init(_ path: String, settle: Int32 = 20) throws(SystemError) {
        let control = try Control()
        let (changes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.changes = changes
        self.control = control
        continuation.onTermination = { _ in control.stop() }
        let watch = Mutex<DirectoryWatch?>(try DirectoryWatch.start(path))
        try WorkerThread.start("file-watcher") {
            // The thread owns the watch from here on.
            guard var watch = watch.withLock({ $0.take() }) else { return }
            Self.loop(&watch, control, settle: settle) { continuation.yield() }
            continuation.finish()
        }
    }

    deinit {
        control.stop()
    }

    /// Ends ``changes``. May be called again.
    package func stop() {
        control.stop()
    }

    private static func loop(
        _ watch: inout DirectoryWatch, _ control: borrowing Control, settle: Int32, changed: () -> Void
    ) {
        while !control.isStopped {
            do {
                if watch.isStale {
                    // No descriptors or no memory for watches: until there are, the consumer looks by the clock.
                    _ = try waitForInput([control.wakeUp.fd], timeout: 1000)
                } else {
                    _ = try waitForInput([watch.fd, control.wakeUp.fd])
                }
                guard !control.isStopped, try watch.takeEvents() else { continue }
                let deadline = Clock.monotonic() + UInt64(max(settle, 0)) * 10_000_000
                while Clock.monotonic() < deadline, !control.isStopped,
                    try !waitForInput([watch.fd, control.wakeUp.fd], timeout: settle).isEmpty
                {
                    _ = try watch.takeEvents()
                }
            } catch {
                watch.markStale()
            }
            changed()
        }
    }

    private final class Control: Sendable {
        let wakeUp: WakeUp
        private let stopped = Atomic<Bool>(false)

        init() throws(SystemError) { wakeUp = try WakeUp() }

        var isStopped: Bool { stopped.load(ordering: .acquiring) }

        func stop() {
            stopped.store(true, ordering: .releasing)
            wakeUp.signal()
        }
    }
}
