// SPDX-License-Identifier: Apache-2.0

/// Numbers for rules, as rows and events carry them.
struct CookieTable: Sendable {
    /// The kernel counts hits in an array by cookie.
    static let limit: UInt32 = 65_536

    private var cookies: [RuleOrigin: UInt32] = [:]
    private var origins: [(origin: RuleOrigin?, references: Int)] = [(nil, 0)]
    private var pool = NumberPool(from: 1, below: limit)

    var count: Int { cookies.count }

    /// 0 if there are more rules than cookies: what they decide is then told without naming the rule.
    mutating func retain(_ origin: RuleOrigin) -> UInt32 {
        if let cookie = cookies[origin] {
            origins[Int(cookie)].references += 1
            return cookie
        }
        guard let cookie = pool.take() else { return 0 }
        cookies[origin] = cookie
        while Int(cookie) >= origins.count { origins.append((nil, 0)) }
        origins[Int(cookie)] = (origin, 1)
        return cookie
    }

    mutating func release(_ cookie: UInt32) {
        guard cookie != 0, let origin = origins[Int(cookie)].origin else { return }
        origins[Int(cookie)].references -= 1
        guard origins[Int(cookie)].references == 0 else { return }
        cookies[origin] = nil
        origins[Int(cookie)].origin = nil
        pool.release(cookie)
    }

    func origin(of cookie: UInt32) -> RuleOrigin? {
        Int(cookie) < origins.count ? origins[Int(cookie)].origin : nil
    }

    mutating func endCommit() {
        pool.endCommit()
    }
}
