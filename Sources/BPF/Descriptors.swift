// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// Pins in a bpf file system: names that keep maps, programs and links alive without a process.
package enum BPFPin {
    /// Removes a pin; false if there was none. What was pinned lives on if anything else holds it.
    @discardableResult
    package static func remove(_ path: String) throws(BPFError) -> Bool {
        if unsafe unlink(path) == 0 { return true }
        let failure = Glibc.errno
        if failure == ENOENT { return false }
        throw BPFError("remove", "pin \(path)", errno: failure)
    }

    static func create(_ raw: Int32, at path: String, replacing: Bool, subject: String) throws(BPFError) {
        guard replacing else {
            try check(unsafe bpf_obj_pin(raw, path), "pin", "\(subject) to \(path)")
            return
        }
        let temporary = path + "-replacing"
        try remove(temporary)
        try check(unsafe bpf_obj_pin(raw, temporary), "pin", "\(subject) to \(temporary)")
        guard unsafe rename(temporary, path) == 0 else {
            let failure = Glibc.errno
            _ = unsafe unlink(temporary)
            throw BPFError("pin", "\(subject) to \(path)", errno: failure)
        }
    }
}

/// CPUs that this kernel may ever have, online or not: per-CPU maps have a value for each.
package enum Processors {
    package static let possible: Int = max(1, Int(libbpf_num_possible_cpus()))
}

/// The lines of /proc/self/fdinfo/N, "name: value".
struct DescriptorInfo {
    private var fields: [String: String] = [:]

    init(_ raw: Int32) {
        let fd = unsafe open("/proc/self/fdinfo/\(raw)", O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return }
        defer { close(fd) }
        var bytes = [UInt8](repeating: 0, count: 2048)
        let length = unsafe read(fd, &bytes, bytes.count)
        guard length > 0 else { return }
        for line in String(decoding: bytes[..<length], as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            fields[String(parts[0])] = String(parts[1].drop { $0 == " " || $0 == "\t" })
        }
    }

    subscript(name: String) -> String? { fields[name] }
}

func duplicateDescriptor(_ raw: Int32, of subject: @autoclosure () -> String) throws(BPFError) -> Int32 {
    let copy = fcntl(raw, F_DUPFD_CLOEXEC, 3)
    guard copy >= 0 else { throw BPFError("duplicate", subject(), errno: Glibc.errno) }
    return copy
}

/// The text of one of the kernel's `char name[16]` fields.
func kernelName<Field>(_ field: Field) -> String {
    unsafe withUnsafeBytes(of: field) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}
