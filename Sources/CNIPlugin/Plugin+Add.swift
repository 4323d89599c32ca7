// SPDX-License-Identifier: Apache-2.0
import AgentIPC

extension Plugin {
    /// ADD. It leaves a wired pod whose policy is in the kernel, or nothing.
    func add(_ invocation: Invocation, _ configuration: NetworkConfiguration) throws(CNIError) -> String {
        // First what costs nothing to be wrong about.
        try wired { () throws(WiringError) in try wiring.openNamespace(invocation.netns) }
        let agent = AgentClient(socket: configuration.socket)
        let reply = try reserve(invocation, configuration, agent)
        let endpoint = invocation.endpoint
        do throws(CNIError) {
            let plan = try WiringPlan(reply, netns: invocation.netns, interface: invocation.interface)
            let ifindex = try wired { () throws(WiringError) in try createVeth(plan) }
            try wired { () throws(WiringError) in try wiring.configurePod(plan) }
            try asking { () throws(AgentError) in
                try agent.attach(endpoint, hostIfindex: ifindex, by: .after(timeouts.attach))
            }
            try wired { () throws(WiringError) in try wiring.bringUpHost(plan) }
            return try Self.text(CNIResult(plan, version: configuration.version, dns: configuration.dns))
        } catch {
            var error = error
            rollBack(endpoint, reply.hostInterface, configuration, agent, &error)
            throw error
        }
    }

    /// Number and addresses, for an endpoint that is not wired yet.
    private func reserve(
        _ invocation: Invocation, _ configuration: NetworkConfiguration, _ agent: AgentClient
    ) throws(CNIError) -> AllocateReply {
        let endpoint = invocation.endpoint
        let deadline = Deadline.after(timeouts.reserve)
        try settleDeletion(of: endpoint, configuration, agent, by: deadline)
        let request = AllocateRequest(
            containerID: invocation.containerID, interface: invocation.interface, netns: invocation.netns,
            network: configuration.name, podNamespace: invocation.arguments.podNamespace,
            podName: invocation.arguments.podName, podUID: invocation.arguments.podUID,
            labels: invocation.arguments.labels)
        let reply = try asking { () throws(AgentError) in try agent.allocate(request, by: deadline) }
        guard reply.state == .ready else { return reply }

        // The last step of ADD brings the host side up. Where it isn't, an ADD was killed between the agent's attach and
        // that step, or the pod went away without DEL.
        let isUp = try wired { () throws(WiringError) in try wiring.hostLinkIsUp(reply.hostInterface) }
        guard isUp != true else {
            throw CNIError(
                .interfaceExists,
                "container \(invocation.containerID) has its interface \(invocation.interface) already")
        }
        try wired { () throws(WiringError) in try wiring.deleteVeth(reply.hostInterface) }
        return try asking { () throws(AgentError) in
            try agent.delete(endpoint, by: deadline)
            return try agent.allocate(request, by: deadline)
        }
    }

    /// Does what an earlier DEL could not: the agent was away, and has not read its note yet.
    private func settleDeletion(
        of endpoint: AttachmentReference, _ configuration: NetworkConfiguration, _ agent: AgentClient,
        by deadline: Deadline
    ) throws(CNIError) {
        let tombstone = Tombstone(endpoint)
        guard tombstone.takeBack(in: configuration.runDirectory) else { return }
        do throws(AgentError) {
            try agent.delete(endpoint, by: deadline)
        } catch {
            try? tombstone.write(in: configuration.runDirectory)
            throw CNIError(error)
        }
    }

    /// Makes the pair, if need be in the place of what an ADD that was killed has left.
    private func createVeth(_ plan: WiringPlan) throws(WiringError) -> UInt32 {
        do throws(WiringError) {
            return try wiring.createVeth(plan)
        } catch {
            guard error.kind == .interfaceExists, try wiring.hostLinkIsUp(plan.hostInterface) != nil else {
                throw error
            }
            try wiring.deleteVeth(plan.hostInterface)
            return try wiring.createVeth(plan)
        }
    }

    /// Takes everything back; what could not be is told in the error's details, and left for the agent to finish.
    private func rollBack(
        _ endpoint: AttachmentReference, _ hostInterface: String, _ configuration: NetworkConfiguration,
        _ agent: AgentClient, _ error: inout CNIError
    ) {
        do throws(WiringError) {
            try wiring.deleteVeth(hostInterface)
        } catch let failure {
            // The address must stay reserved as long as the device may have it; the agent's next start removes both.
            error.details += (error.details.isEmpty ? "" : "; ") + "left behind: \(failure)"
            return
        }
        do throws(AgentError) {
            try agent.delete(endpoint, by: .after(timeouts.rollback))
        } catch let failure {
            error.details += (error.details.isEmpty ? "" : "; ") + "not released: \(failure)"
            try? Tombstone(endpoint).write(in: configuration.runDirectory)
        }
    }
}
