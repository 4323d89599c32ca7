// SPDX-License-Identifier: Apache-2.0
import AgentIPC

extension Plugin {
    /// ADD. It leaves a wired pod whose policy is in the kernel, or nothing.
    ///
    /// The plugin and the agent work side by side: the pair is made while the agent reserves, the pod's side configured
    /// while the agent attaches.
    func add(_ invocation: Invocation, _ configuration: NetworkConfiguration) throws(CNIError) -> String {
        // First what costs nothing to be wrong about.
        try wired { () throws(WiringError) in try wiring.openNamespace(invocation.netns) }
        let agent = AgentClient(socket: configuration.socket)
        let (reply, pair) = try reserve(invocation, configuration, agent)
        let endpoint = invocation.endpoint
        do throws(CNIError) {
            let plan = try WiringPlan(reply, netns: invocation.netns, interface: invocation.interface)
            let ifindex = try wired { () throws(WiringError) in try settled(pair, invocation) }
            try attach(endpoint, ifindex, plan, agent)
            try wired { () throws(WiringError) in try wiring.bringUpHost(plan) }
            return CNIResult(plan, version: configuration.version, dns: configuration.dns).json.text
        } catch {
            var error = error
            rollBack(endpoint, configuration, agent, &error)
            throw error
        }
    }

    private func attach(
        _ endpoint: AttachmentReference, _ ifindex: UInt32, _ plan: WiringPlan, _ agent: AgentClient
    ) throws(CNIError) {
        var configured = Result<Void, WiringError>.success(())
        try asking { () throws(AgentError) in
            try agent.attach(endpoint, hostIfindex: ifindex, attempt: attempt, by: .after(timeouts.attach)) {
                configured = Result { () throws(WiringError) in try wiring.configurePod(plan) }
            }
        }
        try wired { () throws(WiringError) in try configured.get() }
    }

    /// What became of the try to make the pair: the host side's index.
    private typealias Pair = Result<UInt32, WiringError>

    private func makePair(_ invocation: Invocation) -> Pair {
        Result { () throws(WiringError) in
            try wiring.createVeth(invocation.endpoint.hostInterfaceName, peer: invocation.interface)
        }
    }

    /// Number and addresses, for an endpoint that is not wired yet; and the pair that was made meanwhile.
    private func reserve(
        _ invocation: Invocation, _ configuration: NetworkConfiguration, _ agent: AgentClient
    ) throws(CNIError) -> (AllocateReply, Pair) {
        let endpoint = invocation.endpoint
        let deadline = Deadline.after(timeouts.reserve)
        try settleDeletion(of: endpoint, configuration, agent, by: deadline)
        let request = AllocateRequest(
            containerID: invocation.containerID, interface: invocation.interface, netns: invocation.netns,
            network: configuration.name, podNamespace: invocation.arguments.podNamespace,
            podName: invocation.arguments.podName, podUID: invocation.arguments.podUID,
            labels: invocation.arguments.labels, attempt: attempt)
        var pair: Pair?
        var mayHaveReserved = false
        do {
            let reply = try asking { () throws(AgentError) in
                do throws(AgentError) {
                    return try agent.allocate(request, by: deadline) { pair = makePair(invocation) }
                } catch {
                    mayHaveReserved = error.isSilence && pair != nil
                    throw error
                }
            }
            guard reply.state == .ready else { return (reply, pair ?? makePair(invocation)) }
            try requireLeftover(pair, invocation)
            return try asking { () throws(AgentError) in
                try agent.delete(endpoint, by: deadline)
                pair = nil
                let again = try agent.allocate(request, by: deadline) { pair = makePair(invocation) }
                return (again, pair ?? makePair(invocation))
            }
        } catch {
            var error = error
            if case .success? = pair { removePair(&error) }
            if mayHaveReserved { try? Tombstone(endpoint, attempt: attempt).write(in: configuration.runDirectory) }
            throw error
        }
    }

    /// The last step of ADD brings the host side up. Where it isn't, an ADD was killed between the agent's attach and that
    /// step, or the pod went away without DEL.
    private func requireLeftover(_ pair: Pair?, _ invocation: Invocation) throws(CNIError) {
        if case .success? = pair { return }
        let name = invocation.endpoint.hostInterfaceName
        guard try wired({ () throws(WiringError) in try wiring.hostLinkIsUp(name) }) == true else { return }
        throw CNIError(
            .interfaceExists, "container \(invocation.containerID) has its interface \(invocation.interface) already")
    }

    /// The pair's host side, if need be made in the place of what an ADD that was killed has left.
    private func settled(_ pair: Pair, _ invocation: Invocation) throws(WiringError) -> UInt32 {
        let name = invocation.endpoint.hostInterfaceName
        do throws(WiringError) {
            return try pair.get()
        } catch {
            guard error.kind == .interfaceExists else { throw error }
            // What is up is no leftover: another ADD of this container was faster.
            if try wiring.hostLinkIsUp(name) == true { throw error }
            // Without a host side it is the agent that has removed it meanwhile, or the pod's name is somebody else's.
            try wiring.deleteVeth(name)
            return try makePair(invocation).get()
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

    /// Returns false, with the reason in the error's details, when it can't be done.
    @discardableResult
    private func removePair(_ error: inout CNIError) -> Bool {
        do throws(WiringError) {
            try wiring.deleteOwnVeth()
            return true
        } catch let failure {
            error.details += (error.details.isEmpty ? "" : "; ") + "left behind: \(failure)"
            return false
        }
    }

    /// Takes everything back that this call has made, and nothing else: the runtime may have given it up long ago, and added
    /// the container again. What could not be taken back is told in the error's details, and left for the agent to finish.
    private func rollBack(
        _ endpoint: AttachmentReference, _ configuration: NetworkConfiguration, _ agent: AgentClient,
        _ error: inout CNIError
    ) {
        // The address must stay reserved as long as the device may have it; the agent's next start removes both.
        guard removePair(&error) else { return }
        do throws(AgentError) {
            try agent.release(endpoint, attempt: attempt, by: .after(timeouts.rollback))
        } catch let failure {
            error.details += (error.details.isEmpty ? "" : "; ") + "not released: \(failure)"
            try? Tombstone(endpoint, attempt: attempt).write(in: configuration.runDirectory)
        }
    }
}
