/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One parse for both families and all transports. Returns 0 with the packet
 * described, or -DP_DROP_*.
 */
#pragma once
#include "extension.h"
#include "fragment.h"
#include "icmp.h"
#include "packet.h"

/* Combinations of FIN, SYN, RST and ACK that a TCP may send (RFC 9293, 3.10). */
static __always_inline bool tcp_flags_valid(__u8 flags)
{
	const __u32 valid = 1u << TCP_SYN | 1u << (TCP_SYN | 8) | 1u << 8 | 1u << (TCP_FIN | 8) | 1u << TCP_RST |
			    1u << (TCP_RST | 8);

	/* ACK takes the place of PSH, which says nothing. */
	return valid >> ((flags & 7) | (flags & TCP_ACK) >> 1) & 1;
}

struct tcp_header {
	struct l4_ports ports;
	__be32 sequence, acknowledgement;
	__u8 data_offset, flags;
	__be16 window, checksum, urgent;
};

struct udp_header {
	struct l4_ports ports;
	__be16 length, checksum;
};

struct sctp_header {
	struct l4_ports ports;
	__be32 tag, checksum;
	__u8 chunk, chunk_flags;
	__be16 chunk_length;
};

static __always_inline int parse_tcp(struct __sk_buff *skb, struct packet *p, __u32 offset, __u32 room)
{
	struct tcp_header *tcp = header_at(skb, offset, sizeof(*tcp));
	__u32 length;

	if (!tcp)
		return -DP_DROP_INVALID_HEADER;
	length = (tcp->data_offset >> 4) * 4;
	if (length < sizeof(*tcp) || length > room)
		return -DP_DROP_INVALID_HEADER;
	if (!tcp_flags_valid(tcp->flags) || !tcp->ports.dst || !tcp->ports.src)
		return -DP_DROP_INVALID_PACKET;

	order_ports(&p->key, p->src, tcp->ports.src, tcp->ports.dst);
	p->tcp_flags = tcp->flags;
	p->header_length += length;
	if (tcp->flags & TCP_SYN)
		p->kind = tcp->flags & TCP_ACK ? PACKET_REPLY : PACKET_OPENING;
	return 0;
}

static __always_inline int parse_udp(struct __sk_buff *skb, struct packet *p, __u32 offset, __u32 room)
{
	struct udp_header *udp = header_at(skb, offset, sizeof(*udp));
	__u32 length;

	if (!udp)
		return -DP_DROP_INVALID_HEADER;
	length = bpf_ntohs(udp->length);
	if (length < sizeof(*udp) || (!p->fragmented && length > room))
		return -DP_DROP_INVALID_HEADER;
	if (!udp->ports.dst)
		return -DP_DROP_INVALID_PACKET;
	order_ports(&p->key, p->src, udp->ports.src, udp->ports.dst);
	p->header_length += sizeof(*udp);
	return 0;
}

/* RFC 9260, 3: the common header and the type of the first chunk. */
static __always_inline int parse_sctp(struct __sk_buff *skb, struct packet *p, __u32 offset, __u32 room)
{
	struct sctp_header *sctp = header_at(skb, offset, sizeof(*sctp));

	if (!sctp || room < sizeof(*sctp))
		return -DP_DROP_INVALID_HEADER;
	if (!sctp->ports.dst || !sctp->ports.src)
		return -DP_DROP_INVALID_PACKET;
	order_ports(&p->key, p->src, sctp->ports.src, sctp->ports.dst);
	p->header_length += 12;
	switch (sctp->chunk) {
	case 1: /* INIT */
		p->kind = PACKET_OPENING;
		break;
	case 2: /* INIT ACK */
		p->kind = PACKET_REPLY;
		break;
	case 6: /* ABORT */
		p->tcp_flags = TCP_RST;
		break;
	case 7:  /* SHUTDOWN */
	case 8:  /* SHUTDOWN ACK */
	case 14: /* SHUTDOWN COMPLETE */
		p->tcp_flags = TCP_FIN;
		break;
	}
	return 0;
}

static __always_inline int parse_transport(struct __sk_buff *skb, struct packet *p, __u32 offset, __u32 room)
{
	/* The shortest that is read; what lies behind the packet in the frame is not part of it. */
	if (room < 8)
		return -DP_DROP_INVALID_HEADER;
	switch (p->key.protocol) {
	case IPPROTO_TCP:
		return parse_tcp(skb, p, offset, room);
	case IPPROTO_UDP:
		return parse_udp(skb, p, offset, room);
	case IPPROTO_SCTP:
		return parse_sctp(skb, p, offset, room);
	case IPPROTO_ICMP:
		return p->v4 ? parse_icmp4(skb, p, offset) : -DP_DROP_UNKNOWN_L4;
	case IPPROTO_ICMPV6:
		return p->v4 ? -DP_DROP_UNKNOWN_L4 : parse_icmp6(skb, p, offset);
	}
	return -DP_DROP_UNKNOWN_L4;
}

/* What was cut begins at `data`, and the transport header in it at `offset`. */
static __always_inline int parse_first_fragment(struct __sk_buff *skb, struct packet *p, __u32 data, __u32 offset,
						__u32 room)
{
	int ret = parse_transport(skb, p, offset, room);

	/* An ICMP error quotes less than any link's MTU; in pieces it is a trick. */
	if (!ret && p->kind == PACKET_ERROR)
		ret = -DP_DROP_INVALID_PACKET;
	if (!ret)
		fragment_write_draft(skb, p, offset - data);
	return ret;
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, struct packet *p)
{
	struct iphdr *ip = header_at(skb, ETH_HLEN, sizeof(*ip));
	struct dp_addr src __attribute__((aligned(8))), dst __attribute__((aligned(8)));
	__u32 header, total, offset, fragment;
	int ret;

	if (!cfg.enable_ipv4)
		return -DP_DROP_UNSUPPORTED_L3;
	if (!ip)
		return -DP_DROP_INVALID_HEADER;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || header < sizeof(*ip) || total < header || total > skb->len - ETH_HLEN)
		return -DP_DROP_INVALID_HEADER;

	addr_from_v4(&src, ip->saddr);
	addr_from_v4(&dst, ip->daddr);
	p->v4 = 1;
	p->hop_limit = ip->ttl;
	p->l3_length = total;
	p->header_length = header;
	p->key.protocol = ip->protocol;
	ret = order_ends(&p->key, &src, &dst);
	if (ret < 0)
		return -DP_DROP_INVALID_PACKET;
	p->src = ret;

	fragment = bpf_ntohs(ip->frag_off);
	if (likely(!(fragment & 0x3fff)))
		return parse_transport(skb, p, ETH_HLEN + header, total - header);

	/* More fragments, or an offset. */
	offset = (fragment & 0x1fff) * 8;
	if (!cfg.enable_fragments)
		return -DP_DROP_FRAGMENT;
	if (offset + total - header > 65535 - 20)
		return -DP_DROP_INVALID_PACKET;
	p->fragmented = 1;
	p->fragment_id = ip->id;
	p->fragment_protocol = ip->protocol;
	if (offset)
		return fragment_find(skb, p, offset);
	return parse_first_fragment(skb, p, ETH_HLEN + header, ETH_HLEN + header, total - header);
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, struct packet *p)
{
	struct ipv6hdr *ip = header_at(skb, ETH_HLEN, sizeof(*ip));
	struct dp_addr src __attribute__((aligned(8))), dst __attribute__((aligned(8)));
	struct ipv6_chain chain = { .offset = ETH_HLEN + sizeof(*ip) };
	int ret;

	if (!cfg.enable_ipv6)
		return -DP_DROP_UNSUPPORTED_L3;
	if (!ip)
		return -DP_DROP_INVALID_HEADER;
	chain.room = bpf_ntohs(ip->payload_len);
	chain.next = ip->nexthdr;
	if (ip->version != 6 || chain.room + sizeof(*ip) > skb->len - ETH_HLEN)
		return -DP_DROP_INVALID_HEADER;

	addr_from_v6(&src, &ip->saddr);
	addr_from_v6(&dst, &ip->daddr);
	/* On the wire they mean nothing (RFC 4291, 2.5.5.2); in our keys they would mean IPv4. */
	if (addr_is_mapped(&src) || addr_is_mapped(&dst))
		return -DP_DROP_INVALID_PACKET;
	p->hop_limit = ip->hop_limit;
	p->l3_length = chain.room + sizeof(*ip);
	p->key.protocol = chain.next;
	ret = order_ends(&p->key, &src, &dst);
	if (ret < 0)
		return -DP_DROP_INVALID_PACKET;
	p->src = ret;

	if (unlikely(chain.next != IPPROTO_TCP && chain.next != IPPROTO_UDP)) {
		ret = skip_extensions(skb, &chain);
		if (ret < 0)
			return ret;
		p->key.protocol = chain.next;
	}
	p->header_length = chain.offset - ETH_HLEN;
	/* An atomic fragment (RFC 6946) is a whole packet. */
	if (likely(!chain.fragmented || (!chain.more && !chain.fragment_offset)))
		return parse_transport(skb, p, chain.offset, chain.room);

	if (!cfg.enable_fragments)
		return -DP_DROP_FRAGMENT;
	if (chain.fragment_offset + chain.room > 65535)
		return -DP_DROP_INVALID_PACKET;
	p->fragmented = 1;
	p->fragment_id = chain.fragment_id;
	p->fragment_protocol = chain.fragment_next;
	if (chain.fragment_offset)
		return fragment_find(skb, p, chain.fragment_offset);
	return parse_first_fragment(skb, p, chain.fragment_data, chain.offset, chain.room);
}

/*
 * Whether plain TCP or UDP lies there up to the ports and flags. A function of
 * its own, so that the verifier need not follow each of its ways to the end.
 */
static __noinline bool plain_headers(struct __sk_buff *skb)
{
	struct ethhdr *eth = header_at(skb, 0, sizeof(*eth) + sizeof(struct iphdr) + 20);
	struct iphdr *ip4 = (void *)(eth + 1);
	struct ipv6hdr *ip6;

	if (!eth)
		return false;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return ip4->ihl == 5 && (ip4->protocol == IPPROTO_TCP || ip4->protocol == IPPROTO_UDP);
	ip6 = header_at(skb, ETH_HLEN, sizeof(*ip6) + 20);
	return ip6 && (ip6->nexthdr == IPPROTO_TCP || ip6->nexthdr == IPPROTO_UDP);
}

static __always_inline int parse(struct __sk_buff *skb, struct packet *p)
{
	__u32 linear = skb->data_end - skb->data;
	struct ethhdr *eth;

	/*
	 * Payload lies in pages of its own, headers mostly in one piece: pulling
	 * costs a copy, so only where something is missing. What is too short
	 * after that is found below.
	 */
	if (unlikely(linear < skb->len && linear < PULL_LENGTH) && !plain_headers(skb))
		bpf_skb_pull_data(skb, skb->len < PULL_LENGTH ? skb->len : PULL_LENGTH);

	eth = header_at(skb, 0, sizeof(*eth));
	if (!eth)
		return -DP_DROP_INVALID_HEADER;
	if (skb->vlan_present)
		return -DP_DROP_VLAN;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return parse_ipv4(skb, p);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(skb, p);
	if (eth->h_proto == bpf_htons(ETH_P_8021Q) || eth->h_proto == bpf_htons(ETH_P_8021AD))
		return -DP_DROP_VLAN;
	return -DP_DROP_UNSUPPORTED_L3;
}
