/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The slow path: a packet whose flow isn't known, or was judged under another
 * epoch. Decides for both ends at once and writes the flow.
 */
#pragma once
#include "event.h"
#include "sides.h"

/* The route from the packet's other end, a pod at `ifindex`, to `target`, which is one of its ends. */
static __always_inline int route_to(struct __sk_buff *skb, const struct packet *p, __u32 ifindex, bool target,
				    struct bpf_fib_lookup *fib, struct flow_end *end, struct flow_away *away)
{
	int ret;

	*fib = (struct bpf_fib_lookup){
		.family = p->v4 ? 2 /* AF_INET */ : 10 /* AF_INET6 */,
		.l4_protocol = p->key.protocol,
		.tot_len = 1, /* asks for the route's MTU; no packet is this short */
		.ifindex = ifindex,
	};
	if (p->v4) {
		fib->ipv4_src = addr_of(p, !target)->w[3];
		fib->ipv4_dst = addr_of(p, target)->w[3];
	} else {
		__builtin_memcpy(fib->ipv6_src, addr_of(p, !target), 16);
		__builtin_memcpy(fib->ipv6_dst, addr_of(p, target), 16);
	}
	ret = bpf_fib_lookup(skb, fib, sizeof(*fib), 0);
	if (ret == BPF_FIB_LKUP_RET_SUCCESS) {
		end->ifindex = fib->ifindex;
		/* Kernels before 5.12 don't tell: then what every link carries. */
		away->mtu = fib->mtu_result > 1 ? fib->mtu_result : 1280;
	}
	return ret;
}

/*
 * How packets reach `side`, which is the given end of the packet's flow; its
 * pod is at `ifindex`, if it is somebody outside. Returns false for what holds
 * for this packet only: a neighbour that isn't known yet, which the stack will
 * ask for.
 */
static __always_inline bool end_of_side(struct __sk_buff *skb, const struct packet *p, const struct side *side,
					__u32 ifindex, bool target, bool translated, struct bpf_fib_lookup *fib,
					struct flow_end *end)
{
	struct flow_away away = {};
	int ret = 0;

	__builtin_memset(end, 0, sizeof(*end));
	if (side->kind == SIDE_POD && !translated) {
		end->ifindex = side->ifindex;
		end->endpoint = side->endpoint;
		__builtin_memcpy(end->mac, side->mac, 6);
		return true;
	}
	if (side->kind == SIDE_POD) {
		away.from_low = side->ifindex & 0xffff;
		away.from_high = side->ifindex >> 16;
	} else if (side->kind == SIDE_NODE) {
		if (!side->by_stack) {
			away.from_low = DP_AWAY_NODE & 0xffff;
			away.from_high = DP_AWAY_NODE >> 16;
		}
	} else if (side->node && !side->by_stack) {
		const struct flow_tunnel tunnel = {
			.node_low = side->node & 0xffff,
			.node_high = side->node >> 16,
			.identity_low = side->identity & 0xffff,
			.identity_high = side->identity >> 16,
		};

		end->ifindex = cfg.overlay_ifindex;
		__builtin_memcpy(end->mac, &tunnel, sizeof(tunnel));
		return true;
	} else if (cfg.enable_fib && side->kind != SIDE_SERVICE && !side->node && !side->by_stack) {
		ret = route_to(skb, p, ifindex, target, fib, end, &away);
		/* Into a tunnel to nobody that we know yet. */
		if (end_is_tunnel(end)) {
			__builtin_memset(end, 0, sizeof(*end));
			return false;
		}
	}
	__builtin_memcpy(end->mac, &away, sizeof(away));
	return ret != BPF_FIB_LKUP_RET_NO_NEIGH;
}

/* Of an end that is not a pod reached directly: by which device its packets come in. */
static __always_inline __u32 away_ifindex(const struct flow_end *end)
{
	const struct flow_away *away = (const struct flow_away *)end->mac;

	if (end_is_tunnel(end))
		return end->ifindex;
	return away->from_low | (__u32)away->from_high << 16;
}

/* Whether an end of a known flow still is who it was. */
static __always_inline bool same_end(const struct flow *known, const struct flow_end *end, const struct side *side)
{
	if (end->endpoint || side->kind != SIDE_POD)
		return end->endpoint == side->endpoint;
	return known->flags & DP_FLOW_TRANSLATED && away_ifindex(end) == side->ifindex;
}

struct judgement {
	struct flow flow;
	struct flow_end far; /* a copy of the receiver's end */
	bool known;          /* the flow goes on; else it begins with this packet */
	struct report report;
	struct bpf_fib_lookup fib; /* here as it is much for the stack */
};

/*
 * Judges the packet's flow under `epoch`. `known` is the flow's entry, if it
 * has one. Returns 0 with j->flow filled (flow.drop says whether it may pass),
 * -DP_DROP_* for a packet that is no flow's, or SIDES_NOT_OURS.
 */
static __always_inline int judge(struct __sk_buff *skb, const struct packet *p, const struct flow *known, __u32 epoch,
				 const enum hook hook, struct judgement *j)
{
	const __u8 src = p->src & 1;
	struct side from = {}, to = {};
	struct flow_end near;
	bool forward = true, near_translated, far_translated, settled;
	__u32 cookie = 0;
	__u16 port;
	int ret;

	ret = sides_of(skb, p, epoch, hook, known, &from, &to);
	j->report.src_identity = from.identity;
	j->report.src_endpoint = from.endpoint;
	j->report.dst_identity = to.identity;
	j->report.dst_endpoint = to.endpoint;
	if (ret)
		return ret;

	/*
	 * A known flow keeps its direction, unless its addresses have moved to
	 * other pods since: then it is none of theirs.
	 */
	if (known && same_end(known, &known->end[src], &from) && same_end(known, &known->end[!src], &to)) {
		forward = !!(known->flags & DP_FLOW_INITIATOR_1) == src;
		/* The node may use addresses that nobody told us. */
		if (!forward && known->flags & DP_FLOW_FROM_NODE && to.kind == SIDE_AWAY)
			to.kind = SIDE_NODE;
		if (hook == HOOK_FROM_POD && to.kind == SIDE_AWAY && !to.node && end_is_tunnel(&known->end[!src]))
			side_recall(&known->end[!src], &to);
		/* See below: that it is so is known from the flow only. */
		if (hook == HOOK_FROM_POD) {
			if (!forward && to.kind == SIDE_NODE && !(known->flags & DP_FLOW_FROM_NODE))
				side_of_world(p->v4, &to);
			to.by_stack = !forward & !known->end[!src].ifindex;
		}
	} else if (p->kind >= PACKET_REPLY) {
		return -DP_DROP_UNKNOWN_FLOW;
	} else {
		known = NULL;
	}
	/* What begins outside and comes by way of the stack may have been translated there: so must be what answers. */
	if (hook == HOOK_TO_POD && forward && from.kind != SIDE_NODE)
		from.by_stack = true;

	/* From pod to pod by way of the stack: something there translated it, and must translate what answers. */
	near_translated = hook != HOOK_FROM_POD && from.kind == SIDE_POD;
	far_translated = known && to.kind == SIDE_POD && !known->end[!src].endpoint;
	settled = end_of_side(skb, p, &from, to.ifindex, src, near_translated, &j->fib, &near);
	settled &= end_of_side(skb, p, &to, from.ifindex, !src, far_translated, &j->fib, &j->far);
	if (src) {
		j->flow.end[1] = near;
		j->flow.end[0] = j->far;
	} else {
		j->flow.end[0] = near;
		j->flow.end[1] = j->far;
	}
	/* An epoch of the past makes the next packet look again. */
	j->flow.epoch = settled ? epoch : epoch - 2;
	j->known = known != NULL;
	j->flow.last_seen = now_tick();
	j->flow.flags = known ? known->flags : src ? DP_FLOW_INITIATOR_1 : 0;
	if (near_translated)
		j->flow.flags |= DP_FLOW_TRANSLATED;

	/* The port that rules speak of is that of the end that did not begin. */
	if (p->key.requester)
		port = p->v4 ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST;
	else
		port = bpf_ntohs(port_of(p, forward ? !src : src));

	/* Egress of the end that began, then ingress of the other. To a service: when it is known to whom that is. */
	ret = 0;
	if ((forward ? from.kind : to.kind) == SIDE_POD && (forward ? to.kind : from.kind) != SIDE_SERVICE)
		ret = policy_check(forward ? from.policy : to.policy, DP_EGRESS, forward ? to.slot : from.slot,
				   p->key.protocol, port, &cookie);
	j->report.direction = DP_EGRESS;
	j->report.cookie[DP_EGRESS] = cookie;
	/* A node's own processes always reach its pods. */
	if ((forward ? from.kind : to.kind) == SIDE_NODE) {
		j->flow.flags |= DP_FLOW_FROM_NODE;
	} else if (!ret && (forward ? to.kind : from.kind) == SIDE_POD) {
		cookie = 0;
		ret = policy_check(forward ? to.policy : from.policy, DP_INGRESS, forward ? from.slot : to.slot,
				   p->key.protocol, port, &cookie);
		j->report.direction = DP_INGRESS;
		j->report.cookie[DP_INGRESS] = cookie;
	}
	j->flow.cookie = cookie;
	j->flow.direction = j->report.direction;
	j->flow.drop = -ret;
	return 0;
}
