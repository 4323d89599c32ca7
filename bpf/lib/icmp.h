/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP and ICMPv6: echo is a flow of its own, an error belongs to the flow of
 * the packet that it quotes (RFC 792, RFC 4443), everything else is refused.
 */
#pragma once
#include "packet.h"

static __always_inline int icmp_echo(struct packet *p, __be16 id, bool request)
{
	order_ports(&p->key, p->src, id, id);
	p->key.requester = 1 + (request ? p->src : !p->src);
	p->kind = request ? PACKET_FLOW : PACKET_REPLY;
	p->header_length += 8;
	return 0;
}

/*
 * Replaces the key by that of the quoted packet, whose transport header is at
 * `offset`. The error travels from the quoted destination's side to the quoted
 * source, so its own receiver must be the quoted source.
 */
static __always_inline int icmp_quoted(struct __sk_buff *skb, struct packet *p, __u32 offset, __u8 protocol,
				       const struct dp_addr *src, const struct dp_addr *dst)
{
	struct icmp_header *inner = header_at(skb, offset, 8);
	const struct dp_addr *receiver = addr_of(p, !p->src);
	bool request = false, reply = false;
	int quoted;

	if (!inner || offset + 8 > ETH_HLEN + p->l3_length)
		return -DP_DROP_INVALID_HEADER;
	if (addr_compare(receiver, src) || !addr_compare(src, dst))
		return -DP_DROP_UNKNOWN_FLOW;
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
		request = inner->type == (protocol == IPPROTO_ICMP ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST);
		reply = inner->type == (protocol == IPPROTO_ICMP ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY);
		if (!request && !reply)
			return -DP_DROP_UNKNOWN_FLOW;
	}
	/* Up to here the key's ends are those of the error itself. */
	p->relayed = addr_compare(addr_of(p, p->src), dst) != 0;
	quoted = order_ends(&p->key, src, dst) > 0;
	if (request || reply) {
		p->key.port[0] = p->key.port[1] = inner->id;
		p->key.requester = 1 + (request ? quoted : !quoted);
	} else {
		struct l4_ports *ports = (void *)inner;

		order_ports(&p->key, quoted, ports->src, ports->dst);
	}
	p->key.protocol = protocol;
	p->src = !quoted;
	p->kind = PACKET_ERROR;
	return 0;
}

static __always_inline int icmp4_error(struct __sk_buff *skb, struct packet *p, __u32 offset)
{
	struct iphdr *ip = header_at(skb, offset, sizeof(*ip));
	struct dp_addr src __attribute__((aligned(8))), dst __attribute__((aligned(8)));

	if (!ip)
		return -DP_DROP_INVALID_HEADER;
	if (ip->version != 4 || ip->ihl < 5 || ip->frag_off & bpf_htons(0x1fff))
		return -DP_DROP_UNKNOWN_FLOW;
	addr_from_v4(&src, ip->saddr);
	addr_from_v4(&dst, ip->daddr);
	return icmp_quoted(skb, p, offset + ip->ihl * 4, ip->protocol, &src, &dst);
}

static __always_inline int parse_icmp4(struct __sk_buff *skb, struct packet *p, __u32 offset)
{
	struct icmp_header *icmp = header_at(skb, offset, sizeof(*icmp));

	if (!icmp)
		return -DP_DROP_INVALID_HEADER;
	p->icmp = 1;
	p->icmp_type = icmp->type;
	p->icmp_code = icmp->code;
	switch (icmp->type) {
	case ICMP4_ECHO_REQUEST:
	case ICMP4_ECHO_REPLY:
		return icmp_echo(p, icmp->id, icmp->type == ICMP4_ECHO_REQUEST);
	case ICMP4_UNREACHABLE:
	case ICMP4_TIME_EXCEEDED:
	case ICMP4_PARAMETER:
		return icmp4_error(skb, p, offset + sizeof(*icmp));
	}
	return -DP_DROP_UNKNOWN_ICMP4_TYPE;
}

static __always_inline int icmp6_error(struct __sk_buff *skb, struct packet *p, __u32 offset)
{
	struct ipv6hdr *ip = header_at(skb, offset, sizeof(*ip));
	struct dp_addr src __attribute__((aligned(8))), dst __attribute__((aligned(8)));
	__u8 protocol;

	if (!ip)
		return -DP_DROP_INVALID_HEADER;
	if (ip->version != 6)
		return -DP_DROP_UNKNOWN_FLOW;
	addr_from_v6(&src, &ip->saddr);
	addr_from_v6(&dst, &ip->daddr);
	protocol = ip->nexthdr;
	offset += sizeof(*ip);
	if (protocol == IPPROTO_FRAGMENT) {
		struct ipv6_extension *fragment = header_at(skb, offset, sizeof(*fragment));

		if (!fragment)
			return -DP_DROP_INVALID_HEADER;
		if (fragment->offset & bpf_htons(0xfff8))
			return -DP_DROP_UNKNOWN_FLOW;
		protocol = fragment->next;
		offset += 8;
	}
	return icmp_quoted(skb, p, offset, protocol, &src, &dst);
}

static __always_inline int parse_icmp6(struct __sk_buff *skb, struct packet *p, __u32 offset)
{
	struct icmp_header *icmp = header_at(skb, offset, sizeof(*icmp));

	if (!icmp)
		return -DP_DROP_INVALID_HEADER;
	p->icmp = 1;
	p->icmp_type = icmp->type;
	p->icmp_code = icmp->code;
	if (icmp->type >= ICMP6_UNREACHABLE && icmp->type <= ICMP6_PARAMETER)
		return icmp6_error(skb, p, offset + sizeof(*icmp));
	if (icmp->type == ICMP6_ECHO_REQUEST || icmp->type == ICMP6_ECHO_REPLY)
		return icmp_echo(p, icmp->id, icmp->type == ICMP6_ECHO_REQUEST);
	/* The link is point to point and its neighbours are permanent: nothing to discover or to join. */
	if ((icmp->type >= ICMP6_MLD_FIRST && icmp->type <= ICMP6_REDIRECT) || icmp->type == ICMP6_MLD2_REPORT)
		return -DP_DROP_FORBIDDEN_ICMP6;
	return -DP_DROP_UNKNOWN_ICMP6_TYPE;
}
