// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc
import Kernel

/// A program attached to a device. The attachment lasts as long as a descriptor or a pin holds the link: dropping this
/// value detaches, unless the link is pinned.
package struct BPFLink: ~Copyable, Sendable {
    package enum AttachPoint: Hashable, Sendable {
        /// Packets that come in on the device: for the host side of a veth, what the pod sends.
        case tcxIngress
        case tcxEgress
        case xdp
        /// Another kind of link; the kernel's `enum bpf_link_type`.
        case other(UInt32)
    }

    package enum XDPMode: Hashable, Sendable {
        /// Before the driver makes an skb.
        case native
        /// After it, for drivers without XDP.
        case generic
    }

    package struct Info: Hashable, Sendable {
        package let id: UInt32
        package let programID: UInt32
        /// 0: the device is gone, and the link does nothing any more.
        package let ifindex: UInt32
        package let attachPoint: AttachPoint
    }

    private let fd: OwnedFD
    private var raw: Int32 { fd.raw }
    /// How an XDP program was attached by this process; nil for tc programs and links opened from a pin.
    package let xdpMode: XDPMode?

    private init(adopting raw: Int32, xdpMode: XDPMode? = nil) {
        self.fd = OwnedFD(adopting: raw)
        self.xdpMode = xdpMode
    }

    /// Attaches a tc program behind those that are there (TCX, Linux 6.6; EINVAL on older kernels), or an XDP program in
    /// the mode that the kernel picks. For TCX, ENODEV if there is no such device in the calling thread's network namespace.
    package init(
        attaching program: borrowing BPFProgram, to point: AttachPoint, ifindex: UInt32
    ) throws(BPFError) {
        let type: UInt32
        switch point {
        case .tcxIngress: type = CLIBBPF_ATTACH_TCX_INGRESS.rawValue
        case .tcxEgress: type = CLIBBPF_ATTACH_TCX_EGRESS.rawValue
        case .xdp: type = CLIBBPF_ATTACH_XDP.rawValue
        case .other(let number):
            throw BPFError("attach", "program \(program.name) by link type \(number)", errno: EINVAL)
        }
        let raw = clibbpf_link_create(program.raw, ifindex, type, 0)
        try check(raw, "attach", "program \(program.name) to \(point) of device \(ifindex)")
        self.init(adopting: raw)
    }

    /// Attaches an XDP program in a given mode. EBUSY: the device has one; EOPNOTSUPP: its driver cannot do this mode.
    package init(
        attachingXDP program: borrowing BPFProgram, ifindex: UInt32, mode: XDPMode
    ) throws(BPFError) {
        let flags: UInt32 = mode == .native ? 1 << 2 : 1 << 1  // XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE
        let raw = clibbpf_link_create(program.raw, ifindex, CLIBBPF_ATTACH_XDP.rawValue, flags)
        try check(raw, "attach", "program \(program.name) to XDP (\(mode)) of device \(ifindex)")
        self.init(adopting: raw, xdpMode: mode)
    }

    /// Attaches an XDP program in native mode, else in generic mode where the driver has no native one; `xdpMode` says
    /// which.
    package static func attachXDP(
        _ program: borrowing BPFProgram, ifindex: UInt32
    ) throws(BPFError) -> BPFLink {
        do {
            return try BPFLink(attachingXDP: program, ifindex: ifindex, mode: .native)
        } catch {
            guard error.errno == .notSupported else { throw error }
            return try BPFLink(attachingXDP: program, ifindex: ifindex, mode: .generic)
        }
    }

    /// Opens a pinned link. ENOENT if there is none.
    package init(pinned path: String) throws(BPFError) {
        let raw = unsafe bpf_obj_get(path)
        try check(raw, "open", "pinned link \(path)")
        let fd = OwnedFD(adopting: raw)
        _ = try Self.info(of: raw)
        self.fd = fd
        self.xdpMode = nil
    }

    /// Opens a link by its id. ENOENT if it is gone.
    package init(id: UInt32) throws(BPFError) {
        let raw = bpf_link_get_fd_by_id(id)
        try check(raw, "open", "link with id \(id)")
        self.init(adopting: raw)
    }

    /// Pins the link, so that the attachment outlives this process; see `MapHandle.pin`.
    package func pin(to path: String, replacing: Bool = false) throws(BPFError) {
        try BPFPin.create(raw, at: path, replacing: replacing, subject: "link")
    }

    /// Puts another program in the place of the attached one: every packet sees the one or the other.
    package func update(to program: borrowing BPFProgram) throws(BPFError) {
        try check(clibbpf_link_update(raw, program.raw), "replace", "the program of a link by \(program.name)")
    }

    /// Detaches now, pinned or not; the link stays as a husk. Twice does nothing.
    package func detach() throws(BPFError) {
        try check(bpf_link_detach(raw), "detach", "link")
    }

    package func info() throws(BPFError) -> Info { try Self.info(of: raw) }

    private static func info(of raw: Int32) throws(BPFError) -> Info {
        var info = clibbpf_link_info()
        try check(unsafe clibbpf_link_info(raw, &info), "inspect", "link")
        let point: AttachPoint =
            switch (info.type, info.attach_type) {
            case (CLIBBPF_LINK_XDP.rawValue, _): .xdp
            case (CLIBBPF_LINK_TCX.rawValue, CLIBBPF_ATTACH_TCX_INGRESS.rawValue): .tcxIngress
            case (CLIBBPF_LINK_TCX.rawValue, CLIBBPF_ATTACH_TCX_EGRESS.rawValue): .tcxEgress
            default: .other(info.type)
            }
        return Info(id: info.id, programID: info.prog_id, ifindex: info.ifindex, attachPoint: point)
    }
}
