/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sending a packet to where its flow says. */
#pragma once
#include "tunnel.h"

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

/* The identity of a pod of this node that sends: of the end that it is, or of its address when the stack translates. */
static __always_inline __u32 sender_identity(const struct packet *p, const struct flow_end *near, __u32 epoch)
{
	__u16 number = near->endpoint;
	const struct pod_entry *pod;
	const struct endpoint *ep;

	if (!number) {
		pod = bpf_map_lookup_elem(&pods, addr_of(p, p->src));
		number = pod ? pod->endpoint : 0;
	}
	ep = at(&endpoints, number);
	return ep ? READ_ONCE(ep->view[epoch & 1].identity) : DP_IDENTITY_UNKNOWN;
}

/* To another node. The stack has done its part already for what comes from it. Returns a TC action, or -DP_DROP_*. */
static __always_inline int send_tunnelled(struct __sk_buff *skb, const struct packet *p, __u32 node, __u32 identity,
					  const enum hook hook)
{
	struct ethhdr *eth = header_at(skb, 0, sizeof(*eth) + sizeof(struct iphdr));
	int ret;

	if (hook == HOOK_FROM_POD) {
		/* The stack tells the sender that the hop limit is used up. */
		if (p->hop_limit <= 1)
			return TC_ACT_OK;
		if (!eth)
			return -DP_DROP_INVALID_HEADER;
		decrement_hop_limit(eth + 1, p->v4);
	}
	ret = tunnel_to(skb, node, identity);
	if (ret < 0)
		return ret;
	return hook == HOOK_FROM_POD ? bpf_redirect(cfg.overlay_ifindex, 0) : TC_ACT_OK;
}

/* To a pod of this node, or out. Returns a TC action, or -DP_DROP_*. */
static __always_inline int deliver(struct __sk_buff *skb, const struct packet *p, const struct flow_end *to,
				   const enum hook hook)
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
		/*
		 * A device may have summed the whole packet (CHECKSUM_COMPLETE): less
		 * by one now. IPv4's header sums up to nothing whatever its limit.
		 */
		if ((hook == HOOK_FROM_OVERLAY || hook == HOOK_FROM_UPLINK) && !p->v4)
			bpf_csum_update(skb, 0xffff ^ bpf_htons(1));
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
