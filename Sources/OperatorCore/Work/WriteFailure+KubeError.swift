// SPDX-License-Identifier: Apache-2.0
import KubeClient

extension WriteFailure {
    /// Of an error that is no cancellation.
    init(_ error: any Error) {
        guard let error = error as? KubeError else {
            self = .failed("\(error)")
            return
        }
        switch error.status?.code {
        case 409: self = .conflict
        case 404: self = .gone
        // Bad request, too large, unsupported, invalid: it is the object, not the moment. What we may not do (401, 403)
        // somebody may allow.
        case 400, 405, 413, 415, 422: self = .refused("\(error)")
        default: self = .failed("\(error)")
        }
    }

    /// nil for what is no news: it is told by other means.
    var problem: String? {
        switch self {
        case .conflict, .gone: nil
        case .refused(let text), .failed(let text): text
        }
    }
}
