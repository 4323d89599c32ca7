// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// An error number of the kernel, as errno(3) lists them.
package struct Errno: RawRepresentable, Hashable, Sendable {
    package let rawValue: Int32

    package init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    package static let perm = Errno(rawValue: EPERM)
    package static let noEntry = Errno(rawValue: ENOENT)
    package static let noProcess = Errno(rawValue: ESRCH)
    package static let interrupted = Errno(rawValue: EINTR)
    package static let again = Errno(rawValue: EAGAIN)
    package static let access = Errno(rawValue: EACCES)
    package static let busy = Errno(rawValue: EBUSY)
    package static let exists = Errno(rawValue: EEXIST)
    package static let noDevice = Errno(rawValue: ENODEV)
    package static let notDirectory = Errno(rawValue: ENOTDIR)
    package static let invalid = Errno(rawValue: EINVAL)
    package static let noSpace = Errno(rawValue: ENOSPC)
    package static let notSupported = Errno(rawValue: EOPNOTSUPP)
    package static let notEmpty = Errno(rawValue: ENOTEMPTY)
    package static let noBuffers = Errno(rawValue: ENOBUFS)
    package static let addressNotAvailable = Errno(rawValue: EADDRNOTAVAIL)
    package static let protocolViolation = Errno(rawValue: EPROTO)
    package static let timedOut = Errno(rawValue: ETIMEDOUT)

    /// Its symbol ("ENOENT"), or "errno 999" for a number without one.
    package var name: String {
        guard let name = unsafe clinux_errno_name(rawValue) else { return "errno \(rawValue)" }
        return unsafe String(cString: name)
    }

    /// What strerror(3) says, always in English.
    package var text: String {
        guard let text = unsafe clinux_errno_text(rawValue) else { return "unknown error" }
        return unsafe String(cString: text)
    }
}

extension Errno: CustomStringConvertible {
    /// "No such file or directory (ENOENT)".
    package var description: String { "\(text) (\(name))" }
}
