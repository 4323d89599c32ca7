// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tc programs on the overlay device: what comes from other nodes in a tunnel,
 * and what the host's stack sends to them. What a pod sends by itself comes by
 * here with its tunnel already chosen.
 */
#include "lib/handle.h"

SLOW_PATH(judge_from_overlay, HOOK_FROM_OVERLAY)
SLOW_PATH(judge_to_overlay, HOOK_TO_OVERLAY)

/* Whom a packet is from and for, whatever it carries. */
static __always_inline bool addresses_of(struct __sk_buff *skb, struct packet *p)
{
	struct ethhdr *eth = header_at(skb, 0, sizeof(*eth) + sizeof(struct iphdr));
	struct dp_addr src __attribute__((aligned(8))), dst __attribute__((aligned(8)));
	struct ipv6hdr *ip6 = header_at(skb, ETH_HLEN, sizeof(*ip6));
	struct iphdr *ip4 = (void *)(eth + 1);
	int end;

	if (eth && eth->h_proto == bpf_htons(ETH_P_IP)) {
		p->v4 = 1;
		addr_from_v4(&src, ip4->saddr);
		addr_from_v4(&dst, ip4->daddr);
	} else if (eth && ip6 && eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		addr_from_v6(&src, &ip6->saddr);
		addr_from_v6(&dst, &ip6->daddr);
	} else {
		return false;
	}
	end = order_ends(&p->key, &src, &dst);
	if (end < 0)
		return false;
	p->src = end;
	return true;
}

/* To another node from the host's stack. */
static __always_inline int to_node(struct __sk_buff *skb)
{
	const struct dp_state *st = at(&state, 0);
	struct side from = {}, to = {};
	struct packet packet = {};
	struct report *report = report_at_hand();
	int ret = -DP_DROP_NO_TUNNEL_ENDPOINT;

	/* The stack's own chatter on the link, such as joining multicast groups: there is nobody to hear it. */
	if (!st || !report || !addresses_of(skb, &packet) || !usable_target(addr_of(&packet, !packet.src), packet.v4))
		return TC_ACT_SHOT;
	side_of_address(addr_of(&packet, packet.src), packet.v4, READ_ONCE(st->epoch), &from);
	if (from.kind == SIDE_POD || from.kind == SIDE_UNREADY)
		return handle(skb, HOOK_TO_OVERLAY, judge_to_overlay);
	side_of_address(addr_of(&packet, !packet.src), packet.v4, READ_ONCE(st->epoch), &to);
	*report = (struct report){ .src_identity = from.identity, .dst_identity = to.identity };
	/* No policy of ours: this node's own processes, or from outside by way of this node. */
	if (to.node)
		ret = tunnel_to(skb, to.node, from.kind == SIDE_NODE ? DP_IDENTITY_REMOTE_NODE : DP_IDENTITY_WORLD);
	return ret < 0 ? drop(skb, &packet, -ret, HOOK_TO_OVERLAY) : TC_ACT_OK;
}

SEC("tc")
int from_overlay(struct __sk_buff *skb)
{
	int ret = handle(skb, HOOK_FROM_OVERLAY, judge_from_overlay);

	/*
	 * The frame in the tunnel was addressed to nobody on this link, which a
	 * pod's stack minds as the host's does: before 6.16 redirecting to it
	 * leaves that as it is.
	 */
	if (ret != TC_ACT_SHOT)
		bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
	return ret;
}

SEC("tc")
int to_overlay(struct __sk_buff *skb)
{
	struct dp_addr outer;
	__u32 identity;

	if (cfg.tunnel_ipv6)
		skb->mark = TUNNEL_MARK;
	if (tunnel_of(skb, &identity, &outer))
		return TC_ACT_OK;
	return to_node(skb);
}

char _license[] SEC("license") = "Dual BSD/GPL";
