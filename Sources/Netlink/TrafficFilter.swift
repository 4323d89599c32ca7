// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
package import Kernel

/// Which way through a link: ingress is what the link receives.
package enum TrafficDirection: Hashable, Sendable, CaseIterable {
    case ingress
    case egress

    /// The hook of the clsact qdisc.
    var parent: UInt32 {
        switch self {
        case .ingress: CLINUX_TC_H_INGRESS.rawValue
        case .egress: CLINUX_TC_H_EGRESS.rawValue
        }
    }
}

/// A BPF filter on a link's clsact hook, where the kernel has no TCX links (before 6.6).
package struct TrafficFilter: Hashable, Sendable {
    package let link: Int32
    package let direction: TrafficDirection
    /// "bpf" for those that are made here.
    package let kind: String
    /// The program's name as it was given, for people.
    package let name: String?
    /// The kernel's number of the program.
    package let programID: UInt32?
    package let handle: UInt32
    /// The lower runs first, 1...65535.
    package let priority: UInt16
    package let isDirectAction: Bool

    init?(_ message: NetlinkMessage, _ direction: TrafficDirection) {
        guard let header = message.body.load(tcmsg.self) else { return nil }
        let attributes = AttributeSet(message.body, skipping: MemoryLayout<tcmsg>.size)
        // A classifier announces itself once more, without options and handle, before its filters.
        guard header.tcm_handle != 0, let kind = attributes.string(Int(TCA_KIND)) else { return nil }
        let options = attributes.nested(Int(TCA_OPTIONS))
        self.direction = direction
        self.kind = kind
        link = header.tcm_ifindex
        handle = header.tcm_handle
        priority = UInt16(truncatingIfNeeded: header.tcm_info >> 16)
        name = options?.string(Int(TCA_BPF_NAME))
        programID = options?.uint32(Int(TCA_BPF_ID))
        isDirectAction = (options?.uint32(Int(TCA_BPF_FLAGS)) ?? 0) & UInt32(CLINUX_BPF_FLAG_ACT_DIRECT) != 0
    }
}

extension NetlinkRequest {
    /// Gives a link the qdisc that has hooks for both directions. Idempotent.
    package static func addClsact(link: Int32) -> NetlinkRequest {
        let flags = NLM_F_CREATE | NLM_F_EXCL
        return NetlinkRequest("add clsact", "link \(link)", type: Int(RTM_NEWQDISC), flags: flags) { builder in
            append(clsact: link, to: &builder)
        }.tolerating(.exists)
    }

    /// Takes it away, with all filters. ENOENT, or EINVAL when there is none: `.tolerating(.noEntry, .invalid)`.
    package static func deleteClsact(link: Int32) -> NetlinkRequest {
        NetlinkRequest("delete clsact", "link \(link)", type: Int(RTM_DELQDISC)) { builder in
            append(clsact: link, to: &builder)
        }
    }

    /// Puts a direct-action program on a hook, or in the place of the one with this handle and priority: at every
    /// moment one of the two runs. Idempotent. Needs ``addClsact(link:)`` first. The kernel holds the program
    /// itself; `program` need not stay open.
    package static func replaceFilter(
        link: Int32, direction: TrafficDirection, program: Int32, name: String, handle: UInt32 = 1,
        priority: UInt16 = 1
    ) -> NetlinkRequest {
        NetlinkRequest(
            "replace filter", "\(name) on \(direction) of link \(link)", type: Int(RTM_NEWTFILTER),
            flags: NLM_F_CREATE
        ) { builder in
            append(filter: link, direction, handle, priority, to: &builder)
            builder.attribute(Int(TCA_KIND), string: "bpf")
            builder.nested(Int(TCA_OPTIONS)) { builder in
                builder.attribute(Int(TCA_BPF_FD), value: program)
                builder.attribute(Int(TCA_BPF_NAME), string: name)
                builder.attribute(Int(TCA_BPF_FLAGS), value: UInt32(CLINUX_BPF_FLAG_ACT_DIRECT))
            }
        }
    }

    /// Takes a filter away. ENOENT, or EINVAL without a clsact: `.tolerating(.noEntry, .invalid)`.
    package static func deleteFilter(
        link: Int32, direction: TrafficDirection, handle: UInt32 = 1, priority: UInt16 = 1
    ) -> NetlinkRequest {
        NetlinkRequest(
            "delete filter", "\(handle) on \(direction) of link \(link)", type: Int(RTM_DELTFILTER)
        ) { builder in
            append(filter: link, direction, handle, priority, to: &builder)
            builder.attribute(Int(TCA_KIND), string: "bpf")
        }
    }

    private static func append(clsact link: Int32, to builder: inout MessageBuilder) {
        var header = tcmsg()
        header.tcm_ifindex = link
        header.tcm_parent = CLINUX_TC_H_CLSACT.rawValue
        header.tcm_handle = CLINUX_TC_H_CLSACT_HANDLE.rawValue
        builder.append(header)
        builder.attribute(Int(TCA_KIND), string: "clsact")
    }

    private static func append(
        filter link: Int32, _ direction: TrafficDirection, _ handle: UInt32, _ priority: UInt16,
        to builder: inout MessageBuilder
    ) {
        var header = tcmsg()
        header.tcm_ifindex = link
        header.tcm_parent = direction.parent
        header.tcm_handle = handle
        // The lower half is the Ethernet protocol in network order.
        header.tcm_info = UInt32(priority) << 16 | UInt32(UInt16(ETH_P_ALL).bigEndian)
        builder.append(header)
    }

    static func dumpFilters(link: Int32, direction: TrafficDirection) -> NetlinkRequest {
        NetlinkRequest("list filters", "link \(link)", type: Int(RTM_GETTFILTER)) { builder in
            var header = tcmsg()
            header.tcm_ifindex = link
            header.tcm_parent = direction.parent
            builder.append(header)
        }
    }
}

extension NetlinkSocket {
    /// The filters of a hook; none if the link has no clsact or there is no such link.
    package mutating func filters(
        link: Int32, direction: TrafficDirection
    ) throws(SystemError) -> [TrafficFilter] {
        do {
            return try dump(.dumpFilters(link: link, direction: direction)).compactMap { TrafficFilter($0, direction) }
        } catch {
            guard [Errno.noEntry, .invalid, .noDevice].contains(error.errno) else { throw error }
            return []
        }
    }
}
