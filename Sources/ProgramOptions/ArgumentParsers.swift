// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
package import NetTypes

// Turns the text of a flag into its value. ArgumentParser puts the flag's name in front of what these throw.

package func parsePrefix(_ text: String) throws -> Prefix {
    guard let prefix = Prefix(text) else {
        throw ValidationError("\"\(text)\" is not a range such as 10.244.1.0/24 or fd00:10:244:1::/64")
    }
    return prefix
}

/// Whole seconds, minutes or hours: 90s, 15m, 2h; without a letter, seconds. From a second to a week.
package func parseTime(_ text: String) throws -> Duration {
    let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3_600]
    let unit = text.last.flatMap { units[$0] }
    guard let number = Int64(unit == nil ? text : String(text.dropLast())),
        case let (seconds, overflow) = number.multipliedReportingOverflow(by: unit ?? 1),
        !overflow, (1...604_800).contains(seconds)
    else {
        throw ValidationError("\"\(text)\" is not a time from 1s to 168h, such as 90s, 15m or 2h")
    }
    return .seconds(seconds)
}
