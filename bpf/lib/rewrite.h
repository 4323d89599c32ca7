/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Another address and port for one end of a packet, checksums included.
 *
 * Only helpers write: a program that writes itself gets every clone copied
 * before it runs, and what the node's own TCP sends are clones. They know, too,
 * what no program sees: whether a checksum is still to be finished by the
 * device (CHECKSUM_PARTIAL: then the field has the pseudo-header's sum only),
 * or skb->csum holds that of the whole packet (CHECKSUM_COMPLETE). For the
 * latter: an IPv4 address and its header's checksum weigh nothing together, and
 * bpf_l4_csum_replace takes off what the transport's field loses; an IPv6
 * address has no such partner, and is stored with BPF_F_RECOMPUTE_CSUM.
 */
#pragma once
#include "extension.h"

struct rewrite {
	struct dp_addr from, to;
	__be16 from_port, to_port;
	bool source; /* of the packet; else its destination. A quoted packet's is the other one. */
};

/* RFC 1071. */
static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __always_inline __u32 addr_diff(const struct rewrite *r, bool v4)
{
	if (v4)
		return bpf_csum_diff((__be32 *)&r->from.w[3], 4, (__be32 *)&r->to.w[3], 4, 0);
	return bpf_csum_diff((__be32 *)&r->from, 16, (__be32 *)&r->to, 16, 0);
}

/*
 * Where the transport header is, from the Ethernet header on, or negative. The
 * packet was parsed before. A global function: the verifier goes through it once.
 */
__noinline int transport_offset(struct __sk_buff *skb)
{
	struct iphdr *ip = header_at(skb, ETH_HLEN, sizeof(*ip));
	struct ipv6_chain chain = { .offset = ETH_HLEN + sizeof(struct ipv6hdr) };
	struct ipv6hdr *ip6;

	if (!ip)
		return -DP_DROP_INVALID_HEADER;
	if (ip->version == 4)
		return ETH_HLEN + ip->ihl * 4;
	ip6 = header_at(skb, ETH_HLEN, sizeof(*ip6));
	if (!ip6)
		return -DP_DROP_INVALID_HEADER;
	chain.room = bpf_ntohs(ip6->payload_len);
	chain.next = ip6->nexthdr;
	if (chain.next != IPPROTO_TCP && chain.next != IPPROTO_UDP && skip_extensions(skb, &chain) < 0)
		return -DP_DROP_IPV6_EXTENSION;
	return chain.offset;
}

/* Of a transport header: its checksum's place, 0 for one that addresses and ports are not under. */
static __always_inline __u32 checksum_at(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	}
	return 0;
}

static __always_inline __u32 port_at(__u8 protocol, bool source)
{
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		return 4;
	return source ? 0 : 2;
}

/* The address in the network header at `offset`. IPv4: with the header's checksum. */
static __always_inline long store_addr(struct __sk_buff *skb, __u32 offset, const struct rewrite *r, bool source,
				       bool v4)
{
	if (v4)
		return bpf_l3_csum_replace(skb, offset + offsetof(struct iphdr, check), r->from.w[3], r->to.w[3], 4) |
		       bpf_skb_store_bytes(
			       skb, offset + (source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr)),
			       &r->to.w[3], 4, 0);
	return bpf_skb_store_bytes(
		skb, offset + (source ? offsetof(struct ipv6hdr, saddr) : offsetof(struct ipv6hdr, daddr)), &r->to, 16,
		BPF_F_RECOMPUTE_CSUM);
}

/* Two bytes under the checksum at `checksum`. */
static __always_inline long store_half(struct __sk_buff *skb, __u32 offset, __be16 from, __be16 to, __u32 checksum,
				       __u64 flags)
{
	if (from == to)
		return 0;
	return bpf_l4_csum_replace(skb, checksum, from, to, flags | 2) | bpf_skb_store_bytes(skb, offset, &to, 2, 0);
}

/* Whether a UDP datagram has none (RFC 768). */
static __always_inline bool without_checksum(struct __sk_buff *skb, __u8 protocol, __u32 checksum)
{
	__u16 sum = 1;

	return protocol == IPPROTO_UDP && !bpf_skb_load_bytes(skb, checksum, &sum, 2) && !sum;
}

/* What the transport's checksum has of the address: nothing for ICMP and SCTP over IPv4. */
static __always_inline long checksum_addr(struct __sk_buff *skb, __u32 checksum, const struct rewrite *r, bool v4,
					  __u64 flags)
{
	if (v4)
		return bpf_l4_csum_replace(skb, checksum, r->from.w[3], r->to.w[3], flags | BPF_F_PSEUDO_HDR | 4);
	return bpf_l4_csum_replace(skb, checksum, 0, addr_diff(r, false), flags | BPF_F_PSEUDO_HDR);
}

/* A packet, or a part of one. Returns 0 or -DP_DROP_*. */
static __always_inline int rewrite_packet(struct __sk_buff *skb, const struct packet *p, __u32 l4,
					  const struct rewrite *r)
{
	const __u8 protocol = p->key.protocol;
	const bool v4 = p->v4;
	__u64 flags = protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__u32 checksum = l4 + checksum_at(protocol);
	long failed = 0;

	/* A later fragment has no transport header; the parser counts none, then. */
	if (checksum != l4 && (!p->fragmented || ETH_HLEN + p->header_length > l4)) {
		if (protocol != IPPROTO_ICMP)
			failed |= checksum_addr(skb, checksum, r, v4, flags);
		/* Of a port that nothing makes up for, skb->csum has to be told. */
		if (r->from_port != r->to_port && without_checksum(skb, protocol, checksum))
			failed |= bpf_skb_store_bytes(skb, l4 + port_at(protocol, r->source), &r->to_port, 2,
						      BPF_F_RECOMPUTE_CSUM);
		else
			failed |= store_half(skb, l4 + port_at(protocol, r->source), r->from_port, r->to_port, checksum,
					     flags);
	}
	failed |= store_addr(skb, ETH_HLEN, r, r->source, v4);
	return failed ? -DP_DROP_INVALID_HEADER : 0;
}

/* The checksum of a quoted packet's transport, as it was before: by hand, as the helpers mean this packet's own. */
static __always_inline long rewrite_quoted_checksum(struct __sk_buff *skb, const struct packet *p, __u32 l4,
						    __u32 inner, const struct rewrite *r)
{
	const __u8 protocol = p->key.protocol;
	__u32 offset = inner + checksum_at(protocol);
	__u16 old, new;
	__u64 sum;

	/* Routers need not quote so much. */
	if (offset == inner || offset + 2 > ETH_HLEN + p->l3_length || bpf_skb_load_bytes(skb, offset, &old, 2))
		return 0;
	if (protocol == IPPROTO_UDP && !old)
		return 0;
	sum = (__u16)~old + (__u64)(__u16)~r->from_port + r->to_port;
	if (protocol != IPPROTO_ICMP)
		sum += addr_diff(r, p->v4);
	new = ~fold(sum);
	if (protocol == IPPROTO_UDP && !new)
		new = 0xffff;
	return store_half(skb, offset, old, new, l4 + 2, 0);
}

/* An ICMP error: the end of the quoted packet, and the error's own if it is the same. */
static __always_inline int rewrite_error(struct __sk_buff *skb, const struct packet *p, __u32 l4,
					 const struct rewrite *r)
{
	const __u8 protocol = p->key.protocol;
	const bool v4 = p->v4;
	__u32 quoted = l4 + sizeof(struct icmp_header), inner = quoted + sizeof(struct ipv6hdr), icmp = l4 + 2;
	long failed = 0;
	__u8 byte = 0;

	/* Where the quoted transport header is; the parser has been there. */
	if (bpf_skb_load_bytes(skb, v4 ? quoted : quoted + offsetof(struct ipv6hdr, nexthdr), &byte, 1))
		return -DP_DROP_INVALID_HEADER;
	if (v4)
		inner = quoted + (byte & 15) * 4;
	else if (byte == IPPROTO_FRAGMENT)
		inner += sizeof(struct ipv6_extension);

	failed |= rewrite_quoted_checksum(skb, p, l4, inner, r);
	failed |= store_half(skb, inner + port_at(protocol, !r->source), r->from_port, r->to_port, icmp, 0);
	/* Under the error's checksum: IPv4's address and header checksum weigh nothing together. */
	if (!v4)
		failed |= bpf_l4_csum_replace(skb, icmp, 0, addr_diff(r, false), 0);
	failed |= v4 ? store_addr(skb, quoted, r, !r->source, true) :
		       bpf_skb_store_bytes(skb,
					   quoted + (r->source ? offsetof(struct ipv6hdr, daddr) :
								 offsetof(struct ipv6hdr, saddr)),
					   &r->to, 16, 0);
	/* A router's error about what the owner was sent has its own source. */
	if (!r->source || !p->relayed) {
		if (!v4)
			failed |= checksum_addr(skb, icmp, r, false, 0);
		failed |= store_addr(skb, ETH_HLEN, r, r->source, v4);
	}
	return failed ? -DP_DROP_INVALID_HEADER : 0;
}

static __always_inline int rewrite(struct __sk_buff *skb, const struct packet *p, const struct rewrite *r)
{
	int l4 = transport_offset(skb);

	if (l4 < 0)
		return l4;
	return p->kind == PACKET_ERROR ? rewrite_error(skb, p, l4, r) : rewrite_packet(skb, p, l4, r);
}
