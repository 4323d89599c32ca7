/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sending a packet to where its flow says. */
#pragma once
#include "packet.h"

/* RFC 1624 for a decrement of the byte before the protocol. */
static __always_inline void decrement_hop_limit(void *l3, bool v4)
{
	if (v4) {
		struct iphdr *ip = l3;
		__u32 sum = ip->check;

		sum += bpf_htons(0x0100);
		ip->check = (__u16)(sum + (sum >= 0xffff));
		ip->ttl--;
	} else {
		((struct ipv6hdr *)l3)->hop_limit--;
	}
}

static __always_inline bool fits(const struct __sk_buff *skb, const struct packet *p, __u32 mtu)
{
	if (!mtu || skb->len - ETH_HLEN <= mtu)
		return true;
	return skb->gso_size && skb->gso_size + p->header_length <= mtu;
}

/* Returns a TC action, or -DP_DROP_*. */
static __always_inline int deliver(struct __sk_buff *skb, const struct packet *p, const struct flow_end *to)
{
	struct ethhdr *eth = header_at(skb, 0, sizeof(*eth) + sizeof(struct iphdr));
	__u32 ifindex = to->ifindex;

	/* The stack delivers, or tells the sender that the hop limit is used up. */
	if (!ifindex || p->hop_limit <= 1)
		return TC_ACT_OK;
	if (!eth)
		return -DP_DROP_INVALID_HEADER;
	if (likely(to->endpoint)) {
		decrement_hop_limit(eth + 1, p->v4);
		__builtin_memcpy(eth->h_dest, to->mac, 6);
		eth->h_source[0] = DP_GATEWAY_MAC_0;
		eth->h_source[1] = DP_GATEWAY_MAC_1;
		eth->h_source[2] = DP_GATEWAY_MAC_2;
		eth->h_source[3] = DP_GATEWAY_MAC_3;
		eth->h_source[4] = to->endpoint >> 8;
		eth->h_source[5] = to->endpoint & 0xff;
		return bpf_redirect_peer(ifindex, 0);
	}
	/* Too big for the way out: the stack fragments it, or says so. */
	if (!fits(skb, p, ((const struct flow_away *)to->mac)->mtu))
		return TC_ACT_OK;
	decrement_hop_limit(eth + 1, p->v4);
	return bpf_redirect_neigh(ifindex, NULL, 0, 0);
}
