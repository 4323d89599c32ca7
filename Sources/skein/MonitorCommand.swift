// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import ArgumentParser
import NetTypes
import TextLayout

struct Monitor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Drops and new connections as they happen.",
        discussion: "With -o json every event is one line of JSON. Ends with the agent or at Ctrl-C.")

    @OptionGroup var global: GlobalOptions

    @Flag(help: "Only what was dropped.")
    var drops = false

    @Option(help: ArgumentHelp("Only what comes from or goes to this pod.", valueName: "namespace/name"))
    var pod: String?

    @Option(help: ArgumentHelp("End after this many events.", valueName: "number"))
    var count: Int?

    func validate() throws {
        if let pod, pod.split(separator: "/", omittingEmptySubsequences: false).count != 2 {
            throw ValidationError("--pod takes namespace/name, not \"\(pod)\"")
        }
        if let count, count < 1 { throw ValidationError("--count takes a number of 1 or more") }
    }

    func run() throws {
        var shown = 0
        try global.ask { client in
            try client.monitor { event, line in
                guard matches(event) else { return true }
                switch global.output {
                case .json: Output.line(String(decoding: line, as: UTF8.self))
                case .table: Output.line(Self.text(of: event, colour: Output.isTerminal))
                }
                if event.kind != .lost { shown += 1 }
                return count.map { shown < $0 } ?? true
            }
        }
    }

    private func matches(_ event: MonitorEvent) -> Bool {
        if event.kind == .lost { return true }
        if drops, event.kind != .drop { return false }
        guard let pod else { return true }
        return event.source?.pod == pod || event.destination?.pod == pod
    }

    static func text(of event: MonitorEvent, colour: Bool) -> String {
        let time = Format.timeOfDay(event.time)
        if event.kind == .lost {
            return "\(time)  lost  \(event.lost ?? 0) events: the reader or the agent was too slow"
        }
        let verdict = event.kind == .drop ? "drop " : "allow"
        var words = [time, "", colour ? coloured(verdict, drop: event.kind == .drop) : verdict, ""]
        words.append(event.direction.map { $0 == .ingress ? "ingress" : "egress " } ?? "-      ")
        words += ["", peer(event.source), "->", peer(event.destination), protocolText(event)]
        if event.kind == .drop, let reason = event.reason { words.append("(\(reason))") }
        if let rule = event.rule { words.append("by \(rule)") }
        return words.joined(separator: " ")
    }

    private static func coloured(_ text: String, drop: Bool) -> String {
        "\u{1b}[\(drop ? 31 : 32)m\(text)\u{1b}[0m"
    }

    private static func peer(_ peer: EventPeer?) -> String {
        guard let peer else { return "?" }
        let port = peer.port.map { ":\($0)" } ?? ""
        if let pod = peer.pod { return pod + port }
        let address = peer.address.isIPv4 || port.isEmpty ? "\(peer.address)" : "[\(peer.address)]"
        return address + port
    }

    private static func protocolText(_ event: MonitorEvent) -> String {
        var text = event.protocol ?? "?"
        if let type = event.icmpType { text += " type \(type)" }
        if let flags = event.tcpFlags, !flags.isEmpty, event.kind == .drop { text += " \(flags)" }
        return text
    }
}
