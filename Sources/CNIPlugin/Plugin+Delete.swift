// SPDX-License-Identifier: Apache-2.0
import AgentIPC

extension Plugin {
    /// DEL. Succeeds when nothing is there, and when the agent is away, which then finishes it when it is back.
    func delete(_ invocation: Invocation, _ configuration: NetworkConfiguration) throws(CNIError) {
        let endpoint = invocation.endpoint
        do throws(AgentError) {
            // It removes the device too, with its peer in the pod, and faster than it could be done from here.
            let agent = AgentClient(socket: configuration.socket)
            try agent.delete(endpoint, attempt: attempt, by: .after(timeouts.request))
        } catch {
            // The device before the note: its address may go to another pod as soon as the agent has read that.
            try wired { () throws(WiringError) in try wiring.deleteVeth(endpoint.hostInterfaceName) }
            guard error.isSilence else { throw CNIError(error) }
            try leaveTombstone(endpoint, configuration, because: error)
        }
    }

    private func leaveTombstone(
        _ endpoint: AttachmentReference, _ configuration: NetworkConfiguration, because silence: AgentError
    ) throws(CNIError) {
        do throws(TombstoneError) {
            try Tombstone(endpoint).write(in: configuration.runDirectory)
        } catch {
            throw CNIError(.ioFailure, "\(silence), and no note can be left for it", details: "\(error)")
        }
    }

    /// GC: removes what the runtime does not list.
    func collectGarbage(_ configuration: NetworkConfiguration) throws(CNIError) {
        guard let keep = configuration.validAttachments else {
            throw CNIError(.invalidConfiguration, "cni.dev/valid-attachments is missing: it would remove every pod")
        }
        let request = GCRequest(network: configuration.name, keep: keep)
        // It removes the devices, too.
        _ = try asking { () throws(AgentError) in
            try AgentClient(socket: configuration.socket).collectGarbage(request, by: .after(timeouts.garbage))
        }
    }

    /// STATUS: whether ADD would be served.
    func status(_ configuration: NetworkConfiguration) throws(CNIError) {
        do throws(AgentError) {
            try AgentClient(socket: configuration.socket).ready(by: .after(timeouts.status))
        } catch {
            throw CNIError(.notAvailable, error.description)
        }
    }
}
