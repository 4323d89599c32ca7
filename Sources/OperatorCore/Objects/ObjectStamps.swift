// SPDX-License-Identifier: Apache-2.0

/// What of `metadata` few need, and `ObjectMeta` leaves out: annotations may be large.
struct ObjectStamps: Decodable {
    /// RFC 3339 in UTC: such texts sort by time.
    let creationTimestamp: String?
    let annotations: [String: String]?
}
