// SPDX-License-Identifier: Apache-2.0
import Glibc

func truncateFile(_ path: String, to length: Int) -> Bool { unsafe truncate(path, length) == 0 }

var currentProcess: Int32 { getpid() }

/// The permission bits of a file; nil when it is not there.
func mode(of path: String) -> mode_t? {
    var info = stat()
    return unsafe lstat(path, &info) == 0 ? info.st_mode & 0o7777 : nil
}

/// Makes a file of that content, in the place of one.
func writeFile(_ path: String, _ text: String) -> Bool {
    guard let file = unsafe fopen(path, "w") else { return false }
    let done = unsafe fputs(text, file) >= 0
    return unsafe fclose(file) == 0 && done
}
