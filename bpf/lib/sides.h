/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who sends a packet, and to whom, by where it was met: and who can't be. */
#pragma once
#include "tunnel.h"

/* The sender of a packet that came out of the veth at skb->ifindex; it must be who it says. */
static __always_inline int sender_from_pod(struct __sk_buff *skb, const struct packet *p, __u32 epoch,
					   struct side *from)
{
	struct ethhdr *eth = header_at(skb, 0, sizeof(*eth));
	const struct endpoint *ep;
	__u16 number;

	if (!eth)
		return -DP_DROP_INVALID_HEADER;
	if (eth->h_dest[0] & 1)
		return -DP_DROP_UNKNOWN_TARGET;
	number = eth->h_dest[4] << 8 | eth->h_dest[5];
	ep = at(&endpoints, number);
	if (!ep || READ_ONCE(ep->ifindex) != skb->ifindex)
		return -DP_DROP_NO_ENDPOINT;
	if (!endpoint_has(ep, addr_of(p, p->src), p->v4))
		return -DP_DROP_INVALID_SOURCE_IP;
	side_of_endpoint(ep, number, epoch, p->v4, from);
	return 0;
}

/* A pod's packet that comes from the host's stack, which has translated where it goes. */
static __always_inline int sender_by_stack(struct __sk_buff *skb, const struct packet *p, __u32 epoch,
					   struct side *from)
{
	side_of_address(addr_of(p, p->src), p->v4, epoch, from);
	if (from->kind != SIDE_POD || from->ifindex != skb->ingress_ifindex)
		return -DP_DROP_INVALID_SOURCE_IP;
	return 0;
}

/* Somebody outside, of whom no more is known. */
static __always_inline void side_of_world(bool v4, struct side *side)
{
	const struct dp_base_slots *base = at(&base_slots, 0);

	__builtin_memset(side, 0, sizeof(*side));
	side->identity = v4 ? DP_IDENTITY_WORLD_IPV4 : DP_IDENTITY_WORLD_IPV6;
	side->slot = base ? (v4 ? READ_ONCE(base->world4) : READ_ONCE(base->world6)) : 0;
}

/* Whether the pod that a packet of a known flow is for began it. */
static __always_inline bool answers_pod(const struct packet *p, const struct flow *known)
{
	return known && !!(known->flags & DP_FLOW_INITIATOR_1) != p->src;
}

/* The sender of a packet that the host's stack hands to a pod. */
static __always_inline int sender_from_stack(struct __sk_buff *skb, const struct packet *p, __u32 epoch,
					     struct side *from, const struct flow *known)
{
	const struct dp_base_slots *base;
	bool own;

	side_of_address(addr_of(p, p->src), p->v4, epoch, from);
	/*
	 * This node's own process: an address of the node, received by no device,
	 * in a flow that is the node's, or from a socket. That no device received
	 * it is not enough: conntrack takes IPv6 packets apart again that it has
	 * reassembled, and what comes out looks like our own.
	 */
	own = known ? known->flags & DP_FLOW_FROM_NODE || answers_pod(p, known) : !!skb->sk;
	if (from->kind == SIDE_NODE && !skb->ingress_ifindex && own) {
		from->identity = DP_IDENTITY_HOST;
		base = at(&base_slots, 0);
		from->slot = base ? READ_ONCE(base->node) : 0;
		return 0;
	}
	if (from->kind == SIDE_NODE) {
		/*
		 * What a device received, and has our address, is masqueraded by the
		 * stack, or answers a pod's question to an address of ours that the
		 * stack has translated. Whoever hides behind our address, a policy
		 * is to see nobody that it knows.
		 */
		if (answers_pod(p, known))
			from->by_stack = true;
		else if (known && known->flags & DP_FLOW_FROM_NODE)
			return -DP_DROP_INVALID_SOURCE_IP;
		else
			side_of_world(p->v4, from);
		return 0;
	}
	if (from->kind == SIDE_UNREADY)
		return -DP_DROP_INVALID_SOURCE_IP;
	if (from->kind == SIDE_POD && from->ifindex != skb->ingress_ifindex)
		return -DP_DROP_INVALID_SOURCE_IP;
	/* Another node's pod sends by tunnel. Its node may send as it likes. */
	if (from->node && !(from->flags & DP_POD_REMOTE_NODE) && skb->ingress_ifindex != cfg.overlay_ifindex)
		return -DP_DROP_INVALID_SOURCE_IP;
	/* What the stack has translated an answer to is an answer of the service. */
	if (from->kind == SIDE_SERVICE && !known)
		return -DP_DROP_INVALID_SOURCE_IP;
	return 0;
}

/* The sender of what a device to the outside received: nobody on this node. */
static __always_inline int sender_from_uplink(const struct packet *p, __u32 epoch, struct side *from)
{
	side_of_address(addr_of(p, p->src), p->v4, epoch, from);
	/* Another node's pod sends by tunnel, if there are tunnels. */
	if (from->kind != SIDE_AWAY || (from->node && !(from->flags & DP_POD_REMOTE_NODE)))
		return -DP_DROP_INVALID_SOURCE_IP;
	return 0;
}

/*
 * Whether the packet could go into a tunnel as if a node sent it. Of an address
 * that nobody told us, too: nodes have such, and take in tunnels by all of them.
 * What is for a service goes to none of its own.
 */
static __always_inline bool forges_tunnel(const struct packet *p, const struct side *to)
{
	return cfg.overlay_ifindex && p->key.protocol == IPPROTO_UDP && port_of(p, !p->src) == cfg.tunnel_port &&
	       to->kind != SIDE_POD && to->kind != SIDE_SERVICE && (!to->node || to->flags & DP_POD_REMOTE_NODE);
}

static __always_inline bool usable_target(const struct dp_addr *addr, bool v4)
{
	__u8 first = v4 ? ((const __u8 *)&addr->w[3])[0] : ((const __u8 *)addr)[0];

	if (v4)
		return first && first < 224 && first != 127;
	/* ::/64 holds no node's address: unspecified, loopback, and IPv4 written as IPv6. */
	return first != 0xff && (addr->w[0] | addr->w[1]);
}

/*
 * Who the two ends of a packet are. Returns 0, -DP_DROP_*, or SIDES_NOT_OURS
 * for what is no pod's business.
 */
#define SIDES_NOT_OURS 1

static __always_inline int sides_of(struct __sk_buff *skb, const struct packet *p, __u32 epoch, const enum hook hook,
				    const struct flow *known, struct side *from, struct side *to)
{
	const __u8 src = p->src & 1;
	int ret;

	if (hook == HOOK_FROM_POD)
		ret = sender_from_pod(skb, p, epoch, from);
	else if (hook == HOOK_TO_POD)
		ret = sender_from_stack(skb, p, epoch, from, known);
	else if (hook == HOOK_FROM_OVERLAY)
		ret = sender_from_tunnel(skb, p, epoch, from);
	else if (hook == HOOK_FROM_UPLINK)
		ret = sender_from_uplink(p, epoch, from);
	else
		ret = sender_by_stack(skb, p, epoch, from);
	if (ret < 0)
		return ret;
	if (hook == HOOK_FROM_POD && !usable_target(addr_of(p, !src), p->v4))
		return -DP_DROP_UNKNOWN_TARGET;
	side_of_address(addr_of(p, !src), p->v4, epoch, to);

	switch (hook) {
	case HOOK_FROM_POD:
		if (to->kind == SIDE_UNREADY)
			return -DP_DROP_NO_ENDPOINT;
		if (forges_tunnel(p, to))
			return -DP_DROP_UNKNOWN_SENDER;
		break;
	case HOOK_TO_POD:
		if (to->kind != SIDE_POD || to->ifindex != skb->ifindex)
			return -DP_DROP_NO_ENDPOINT;
		break;
	case HOOK_FROM_OVERLAY:
		if (to->kind == SIDE_NODE)
			return SIDES_NOT_OURS;
		if (to->kind != SIDE_POD)
			return -DP_DROP_NO_ENDPOINT;
		break;
	case HOOK_TO_OVERLAY:
		if (!to->node)
			return -DP_DROP_NO_TUNNEL_ENDPOINT;
		break;
	case HOOK_FROM_UPLINK:
		if (to->kind != SIDE_POD)
			return -DP_DROP_NO_ENDPOINT;
		break;
	case HOOK_TO_UPLINK:
		/* Nor is it for a service any more. */
		if (to->kind != SIDE_AWAY || forges_tunnel(p, to))
			return -DP_DROP_UNKNOWN_TARGET;
		to->by_stack = true;
		break;
	}
	return 0;
}
