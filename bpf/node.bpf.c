// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tc programs on the node's devices to the outside: what pods send there leaves
 * with the node's address, and what answers goes back to them.
 */
#include "lib/handle.h"
#include "lib/masquerade.h"

SLOW_PATH(judge_from_uplink, HOOK_FROM_UPLINK)
SLOW_PATH(judge_to_uplink, HOOK_TO_UPLINK)

/* Where the slow path looks for the packet, for what its map does to the verifier's work. */
static __always_inline struct packet *blank_packet(void)
{
	struct slow_call *call = at(&slow_call, 0);

	if (!call)
		return NULL;
	__builtin_memset(&call->packet, 0, sizeof(call->packet));
	call->judgement.report = (struct report){};
	return &call->packet;
}

/* The packet's outer source or destination, and what the network header names next; false for what is not IP. */
static __always_inline bool outer_addr(struct __sk_buff *skb, const bool source, struct dp_addr *addr, __u8 *next)
{
	__be32 v4;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, protocol), next, 1) ||
		    bpf_skb_load_bytes(
			    skb, ETH_HLEN + (source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr)),
			    &v4, 4))
			return false;
		addr_from_v4(addr, v4);
		return true;
	}
	return skb->protocol == bpf_htons(ETH_P_IPV6) &&
	       !bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, nexthdr), next, 1) &&
	       !bpf_skb_load_bytes(
		       skb, ETH_HLEN + (source ? offsetof(struct ipv6hdr, saddr) : offsetof(struct ipv6hdr, daddr)),
		       addr, 16);
}

/*
 * Whether the other end is within the cluster, or no IP: most of what crosses
 * an uplink needs no more than this. Errors may come from everywhere, so for
 * what came in only what has ports counts.
 */
static __always_inline bool inside(struct __sk_buff *skb, const bool out)
{
	struct dp_addr addr __attribute__((aligned(8)));
	__u8 next = 0;

	if (!outer_addr(skb, !out, &addr, &next))
		return true;
	if (!out && next != IPPROTO_TCP && next != IPPROTO_UDP)
		return false;
	return prefix_flags(&addr) & DP_NAT_INSIDE;
}

/* Whether a packet that the parser refuses says that it is from a pod of this node. */
static __always_inline bool from_pod(struct __sk_buff *skb)
{
	struct dp_addr addr __attribute__((aligned(8)));
	__u8 next;

	return outer_addr(skb, true, &addr, &next) && prefix_flags(&addr) & DP_NAT_PODS;
}

/* Whether the address is that of a pod of this node, one that is being made included. */
static __always_inline bool is_own_pod(const struct dp_addr *addr)
{
	const struct pod_entry *pod = bpf_map_lookup_elem(&pods, addr);

	return pod && pod->endpoint;
}

/*
 * What a pod sends was judged on its way out of the pod, and goes on. But what
 * came by way of the stack may have been translated there, also to the ends of
 * a connection that did not: it is judged now, when it is known to whom it
 * goes. Returns 0 or -DP_DROP_*.
 */
static __always_inline int judge_out(struct __sk_buff *skb, const struct packet *p)
{
	const struct dp_state *st = at(&state, 0);
	const __u8 src = p->src & 1;
	struct flow *flow;
	bool direct, opens;
	__u32 epoch;
	int ret;

	if (!st)
		return -DP_DROP_NO_CONFIG;
	epoch = READ_ONCE(st->epoch);
	flow = bpf_map_lookup_elem(&flows, &p->key);
	direct = flow && flow->end[src].endpoint;
	opens = p->kind == PACKET_OPENING && !direct;
	if (flow && flow->epoch == epoch && !opens &&
	    (direct ? !!flow->end[!src].ifindex : flow_at_home(skb, p, flow, HOOK_TO_UPLINK))) {
		if (!direct && p->kind != PACKET_ERROR)
			flow_touch(flow, p);
		return flow->drop ? flow_refused(flow, p) : 0;
	}
	ret = flow_go_slow(skb, p, !opens, HOOK_TO_UPLINK, judge_to_uplink);
	return ret < 0 ? ret : 0;
}

/*
 * Describes the packet at hand. A global function: the verifier goes through it
 * once, and not again for each way that leads here.
 */
__noinline int parse_packet(struct __sk_buff *skb)
{
	struct slow_call *call = at(&slow_call, 0);

	return skb && call ? parse(skb, &call->packet) : -DP_DROP_NO_CONFIG;
}

static __always_inline int handle_out(struct __sk_buff *skb, struct packet *p)
{
	struct dp_addr addr __attribute__((aligned(8)));
	bool pod, stays;
	__u8 next;
	int ret;

	/* Of a VLAN's device, which has programs of its own. */
	if (skb->vlan_present || !outer_addr(skb, true, &addr, &next))
		return ON;
	pod = is_own_pod(&addr);
	stays = inside(skb, true);
	if (stays && !pod && !(cfg.overlay_ifindex && forwarded(skb, next == IPPROTO_FRAGMENT) && next != IPPROTO_TCP))
		return ON;
	ret = parse_packet(skb);
	/* Not understood, so neither judged nor translated: a pod's must not get out as it is. */
	if (ret < 0)
		return pod || (!stays && from_pod(skb)) ? ret : ON;
	if (pod) {
		ret = judge_out(skb, p);
		if (ret < 0)
			return ret;
	} else if (forged_tunnel(skb, p)) {
		return -DP_DROP_UNKNOWN_SENDER;
	}
	return stays ? ON : masquerade(skb, p, pod);
}

/*
 * To a pod without the stack, as its answers leave without it: a connection
 * tracking that sees half of the packets would call them invalid. What the
 * stack has to do with goes to it: what it translates, and what it may know of.
 */
static __always_inline int deliver_in(struct __sk_buff *skb, const struct packet *p)
{
	const struct flow *flow;
	int ret;

	if (!cfg.enable_fib)
		return ON;
	if (p->kind != PACKET_OPENING) {
		flow = bpf_map_lookup_elem(&flows, &p->key);
		if (flow ? !flow->end[p->src & 1].ifindex :
			   p->key.protocol == IPPROTO_TCP || p->key.protocol == IPPROTO_SCTP)
			return ON;
	}
	ret = flow_handle(skb, p, HOOK_FROM_UPLINK, judge_from_uplink);
	if (ret < 0)
		return ret;
	if (ret == TC_ACT_OK)
		return ON;
	fragment_keep(skb, p);
	count(DP_COUNT_TO_POD, skb->len);
	return ret;
}

static __always_inline int handle_in(struct __sk_buff *skb, struct packet *p)
{
	struct dp_addr addr __attribute__((aligned(8)));
	const struct pod_entry *to;
	__u8 next;
	bool pod;
	int ret;

	if (!outer_addr(skb, false, &addr, &next))
		return ON;
	to = bpf_map_lookup_elem(&pods, &addr);
	pod = to && to->endpoint;
	if (!pod) {
		mark_stray(skb, next, to && to->flags & DP_POD_HOST);
		if (inside(skb, false))
			return ON;
	}
	/* What the parser refuses, and a fragment that nothing is known of, is the stack's to judge. */
	if (parse_packet(skb) < 0)
		return ON;
	if (!pod) {
		ret = unmasquerade(skb, p);
		if (ret <= 0)
			return ret < 0 ? ret : ON;
	}
	return deliver_in(skb, p);
}

/* What leaves by the device. */
SEC("tc")
int to_node(struct __sk_buff *skb)
{
	struct packet *p = blank_packet();
	int ret;

	if (!p)
		return ON;
	ret = handle_out(skb, p);
	if (unlikely(ret < ON))
		return drop(skb, p, -ret, HOOK_TO_UPLINK);
	fragment_keep(skb, p);
	return ret;
}

/* What the device received. */
SEC("tc")
int from_node(struct __sk_buff *skb)
{
	struct packet *p = blank_packet();
	int ret;

	if (!p)
		return ON;
	ret = handle_in(skb, p);
	return unlikely(ret < ON) ? drop(skb, p, -ret, HOOK_FROM_UPLINK) : ret;
}

char _license[] SEC("license") = "Dual BSD/GPL";
