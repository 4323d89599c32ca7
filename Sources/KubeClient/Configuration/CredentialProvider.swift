// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Logging

/// Gives the credential for the next request, and replaces it when it has expired or is refused.
actor CredentialProvider {
    private let source: CredentialSource
    private let run: @Sendable (ExecPlugin) async throws -> Credential
    private let now: @Sendable () -> Date
    private let logger: Logger
    /// The last good one, for sources that can fail.
    private var cached: Credential?
    private var refresh: Task<Credential, any Error>?

    init(
        _ source: CredentialSource, logger: Logger,
        run: @escaping @Sendable (ExecPlugin) async throws -> Credential = { try await $0.run() },
        now: @escaping @Sendable () -> Date = { Date() }
    ) {
        self.source = source
        self.logger = logger
        self.run = run
        self.now = now
    }

    /// Runs an exec plugin when it must; several callers wait for one run.
    func credential() async throws -> Credential {
        switch source {
        case .none: return Credential()
        case .token(let token): return Credential(token: token)
        case .tokenFile(let path): return try tokenFile(path)
        case .exec(let plugin):
            if let cached, cached.expires.map({ $0 > now() }) ?? true { return cached }
            return try await refreshed(plugin)
        }
    }

    /// `credential` was refused (401). The next one if it is another; nil if there is none to try.
    func replacement(for refused: Credential) async throws -> Credential? {
        switch source {
        case .none, .token: return nil
        case .tokenFile(let path):
            let current = try tokenFile(path)
            return current == refused ? nil : current
        case .exec(let plugin):
            if let cached, cached != refused { return cached }
            cached = nil
            return try await refreshed(plugin)
        }
    }

    private func refreshed(_ plugin: ExecPlugin) async throws -> Credential {
        let task = refresh ?? Task { [run] in try await run(plugin) }
        refresh = task
        defer { if refresh == task { refresh = nil } }
        let credential = try await task.value
        cached = credential
        return credential
    }

    /// While the file is being replaced, the token that was in it is still good.
    private func tokenFile(_ path: String) throws -> Credential {
        do {
            let token = String(decoding: try readFile(path), as: UTF8.self).trimmingSpaces
            guard !token.isEmpty else { throw ConfigurationError(file: path, "is empty") }
            let credential = Credential(token: token)
            cached = credential
            return credential
        } catch {
            guard let cached else { throw CredentialError("\(error)") }
            logger.warning(
                "the token file can't be read, the last token is used", metadata: ["kube.error": "\(error)"])
            return cached
        }
    }
}
