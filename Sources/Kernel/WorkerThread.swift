// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A counter in the kernel that makes a thread in poll(2) come back: an eventfd.
package struct WakeUp: ~Copyable, Sendable {
    private let event: OwnedFD

    package init() throws(SystemError) {
        event = OwnedFD(adopting: try checking("eventfd") { clinux_eventfd() })
    }

    /// For poll(2): readable after a signal, until drained.
    package var fd: Int32 { event.raw }

    /// Wakes the waiting thread, or the next one that waits. Never blocks, from any thread.
    package borrowing func signal() {
        var one: UInt64 = 1
        // A full counter (EAGAIN) is a signal already.
        _ = unsafe write(event.raw, &one, 8)
    }

    /// Takes back all signals so far. True if there was one.
    @discardableResult
    package borrowing func drain() -> Bool {
        var count: UInt64 = 0
        return unsafe read(event.raw, &count, 8) == 8
    }
}

/// A thread for blocking work, so that no thread of Swift's pool is held.
package enum WorkerThread {
    /// Runs `body` on a detached thread of its own; signals go to the other threads. EAGAIN without room for one.
    package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let box = unsafe Unmanaged.passRetained(Body(name: name, run: body))
        // A thread inherits the mask: nothing may be delivered to it, not even while it starts.
        var all = sigset_t()
        var old = sigset_t()
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &old)
        var thread = pthread_t()
        let status = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let body = unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                unsafe clinux_name_thread(body.name)
                body.run()
                return nil
            }, box.toOpaque())
        unsafe pthread_sigmask(SIG_SETMASK, &old, nil)
        guard status == 0 else {
            unsafe box.release()
            throw SystemError("pthread_create", Errno(rawValue: status), name)
        }
        pthread_detach(thread)
    }

    private final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void

        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }
}

/// Waits until one of the descriptors can be read (or has failed or hung up); nil after `timeout` milliseconds.
/// A negative timeout waits for ever. Gives the positions of the ready ones.
package func waitForInput(_ descriptors: [Int32], timeout: Int32 = -1) throws(SystemError) -> [Int] {
    var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    try retrying("poll") { unsafe poll(&entries, nfds_t(entries.count), timeout) }
    return entries.indices.filter { entries[$0].revents != 0 }
}
