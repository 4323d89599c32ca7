// SPDX-License-Identifier: Apache-2.0
package import Kernel

extension NetlinkSocket {
    /// All links of the namespace.
    package mutating func links() throws(SystemError) -> [Link] {
        try dump(.dumpLinks()).compactMap { Link($0) }
    }

    /// One link, nil if there is none.
    package mutating func link(_ reference: LinkReference) throws(SystemError) -> Link? {
        let request = NetlinkRequest.getLink(reference).tolerating(.noDevice)
        return try perform([request]).first?.lazy.compactMap { Link($0) }.first
    }

    /// Creates a veth pair, does what `others` say to it (by name), and gives the end that is in the socket's
    /// namespace; its ``Link/peerIndex`` is the other's. One system call each way. If it fails, the pair is gone
    /// again; a link that had the name before (EEXIST) is left alone.
    package mutating func createVeth(
        _ end: VethEnd, peer: VethEnd, others: [NetlinkRequest] = []
    ) throws(SystemError) -> Link {
        // Alone first when others follow: those would change a link that was there under the name before.
        let create = NetlinkRequest.createVeth(end, peer: peer)
        let rest = others + [NetlinkRequest.getLink(.name(end.name))]
        if others.isEmpty {
            return try answer(try perform([create] + rest), of: create)
        }
        try perform(create)
        do {
            return try answer(try perform(rest), of: create)
        } catch {
            try? perform(.deleteLink(.name(end.name)))
            throw error
        }
    }

    private func answer(_ answers: [[NetlinkMessage]], of request: NetlinkRequest) throws(SystemError) -> Link {
        guard let link = answers.last?.lazy.compactMap({ Link($0) }).first else {
            throw request.error(.protocolViolation, detail: "the kernel did not describe the link")
        }
        return link
    }

    /// Deletes a link. True if there was one; false, and no error, if not.
    @discardableResult
    package mutating func deleteLink(_ link: LinkReference) throws(SystemError) -> Bool {
        do {
            try perform(.deleteLink(link))
            return true
        } catch {
            guard error.errno == .noDevice else { throw error }
            return false
        }
    }
}
