// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Asks again and again until `condition` holds; false if it does not within `timeout`. Blocks the thread.
package func eventually(
    timeout: Duration = .seconds(5), every interval: Duration = .milliseconds(2), _ condition: () throws -> Bool
) rethrows -> Bool {
    let deadline = ContinuousClock.now + timeout
    let microseconds = UInt32(clamping: interval.components.attoseconds / 1_000_000_000_000)
    while true {
        if try condition() { return true }
        if ContinuousClock.now >= deadline { return false }
        usleep(max(100, microseconds))
    }
}

/// As the blocking one, for async tests.
package func eventually(
    timeout: Duration = .seconds(5), every interval: Duration = .milliseconds(2), _ condition: () async throws -> Bool
) async throws -> Bool {
    let deadline = ContinuousClock.now + timeout
    while true {
        if try await condition() { return true }
        if ContinuousClock.now >= deadline { return false }
        try await Task.sleep(for: interval)
    }
}
