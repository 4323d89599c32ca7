// SPDX-License-Identifier: Apache-2.0
package import KubeClient

extension ClusterStatus {
    /// Reads it until all is well, or the deadline is over: then it is the last one. An API server that does not answer
    /// is asked again; if there was no answer at all, its error is thrown.
    /// - Parameter deadline: nil: once.
    package static func read(
        _ client: APIClient, namespace: String, until deadline: ContinuousClock.Instant? = nil,
        every pause: Duration = .seconds(2)
    ) async throws -> ClusterStatus {
        var last: ClusterStatus?
        while true {
            let isLastTry = deadline.map { .now + pause >= $0 } ?? true
            do {
                let status = ClusterStatus(try await ClusterFacts.read(client, namespace: namespace))
                if status.well || isLastTry { return status }
                last = status
            } catch let error as KubeError {
                guard error.isTransient else { throw error }
                if isLastTry {
                    guard let last else { throw error }
                    return last
                }
            }
            try await Task.sleep(for: pause)
        }
    }
}

extension KubeError {
    /// It may be otherwise in a moment: nobody answered, or the server is not well.
    var isTransient: Bool {
        switch cause {
        case .status(let status): status.code == 429 || status.code >= 500
        case .unreachable, .interrupted, .timedOut: true
        case .badResponse, .credentials: false
        }
    }
}
