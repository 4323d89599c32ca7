// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Logging

extension Agent {
    /// Puts back what the host's side of every pod's link has lost.
    func restorePodLinks() { restorePodLinks(of: endpointTable.all) }

    /// Of those that were touched.
    func restorePodLinks(_ indices: Set<UInt32>) {
        guard !indices.isEmpty else { return }
        restorePodLinks(of: endpointTable.all.filter { record in record.ifindex.map(indices.contains) ?? false })
    }

    private func restorePodLinks(of records: [EndpointRecord]) {
        let wanted = records.compactMap { record -> PodLink? in
            guard record.state == .ready, let index = record.ifindex else { return nil }
            return PodLink(
                name: record.hostInterface, index: index, mac: record.gatewayMAC, podMAC: record.podMAC,
                addresses: record.addresses)
        }
        do {
            let repair = try host.restorePodLinks(wanted)
            for line in repair.repaired { logger.warning("pod's link repaired", metadata: ["missing": "\(line)"]) }
            note(
                .podLinks,
                repair.problems.isEmpty
                    ? nil : "pods' links can't be repaired: \(repair.problems.joined(separator: "; "))")
        } catch {
            note(.podLinks, "pods' links can't be compared with what they should be: \(error)")
        }
    }
}
