// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A system call that failed: which, why, and on what.
package struct SystemError: Error, Hashable, Sendable {
    /// The call as its manual page is named, or what was asked of netlink ("create link").
    package let call: String
    package let errno: Errno
    /// What it was about: a path, a link's name, a route. May be empty.
    package let context: String
    /// What the kernel had to say beyond the number (netlink's extended acknowledgement). May be empty.
    package let detail: String

    package init(_ call: String, _ errno: Errno, _ context: String = "", detail: String = "") {
        self.call = call
        self.errno = errno
        self.context = context
        self.detail = detail
    }
}

extension SystemError: CustomStringConvertible {
    /// "open /run/x: No such file or directory (ENOENT)".
    package var description: String {
        var text = call
        if !context.isEmpty { text += " \(context)" }
        text += ": \(errno)"
        if !detail.isEmpty { text += ": \(detail)" }
        return text
    }
}

/// Calls `body` until it does not fail with EINTR. For calls that return a negative number and set errno.
@discardableResult
package func retrying<Result: SignedInteger>(
    _ call: String, _ context: @autoclosure () -> String = "", _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result >= 0 { return result }
        // Read at once: anything in between could change it.
        let code = Glibc.errno
        if code != EINTR { throw SystemError(call, Errno(rawValue: code), context()) }
    }
}

/// Calls `body` until it does not fail with EINTR. For the `clinux_` calls, which return -errno.
@discardableResult
package func checking<Result: SignedInteger>(
    _ call: String, _ context: @autoclosure () -> String = "", _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result >= 0 { return result }
        if result != -Result(EINTR) {
            throw SystemError(call, Errno(rawValue: Int32(truncatingIfNeeded: -result)), context())
        }
    }
}

extension SystemError {
    /// Runs `body` and swallows its error if it is one of `ignored`. False if it was swallowed.
    @discardableResult
    package static func ignoring(
        _ ignored: Errno..., body: () throws(SystemError) -> Void
    ) throws(SystemError) -> Bool {
        do {
            try body()
            return true
        } catch {
            guard ignored.contains(error.errno) else { throw error }
            return false
        }
    }
}
