/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The connection table: the fast path, and the step to the slow one. */
#pragma once
#include "evict.h"
#include "forward.h"
#include "judge.h"

/* Notes what an established packet changes. Most change nothing, and write nothing. */
static __always_inline void flow_touch(struct flow *flow, const struct packet *p)
{
	__u8 flags = flow->flags, changed = flags;
	__u32 tick = now_tick();

	if (!!(flags & DP_FLOW_INITIATOR_1) != p->src)
		changed |= DP_FLOW_REPLIED;
	else if (flags & DP_FLOW_REPLIED)
		changed |= DP_FLOW_ACKED;
	if (unlikely(p->tcp_flags & (TCP_FIN | TCP_RST))) {
		if (p->tcp_flags & TCP_RST)
			changed |= DP_FLOW_RESET;
		else
			changed |= p->src ? DP_FLOW_FIN_1 : DP_FLOW_FIN_0;
	}
	if (changed != flags)
		flow->flags = changed;
	if (flow->last_seen != tick)
		flow->last_seen = tick;
}

/* Whether the packet came in where its flow lives: this is the check against spoofing, too. */
static __always_inline bool flow_at_home(struct __sk_buff *skb, const struct packet *p, const struct flow *flow,
					 const enum hook hook)
{
	const struct flow_end *near = &flow->end[p->src & 1], *far = &flow->end[!(p->src & 1)];
	__u32 from;

	if (hook == HOOK_FROM_POD)
		return near->ifindex == skb->ifindex && near->endpoint;
	if (hook == HOOK_FROM_OVERLAY)
		return near->ifindex == skb->ifindex && (far->endpoint || flow->flags & DP_FLOW_TRANSLATED) &&
		       came_from(skb, tunnel_node(near));
	if (hook == HOOK_TO_OVERLAY || hook == HOOK_TO_UPLINK)
		return (hook == HOOK_TO_UPLINK || far->ifindex == skb->ifindex) && !near->endpoint &&
		       flow->flags & DP_FLOW_TRANSLATED && away_ifindex(near) == skb->ingress_ifindex;
	if (hook == HOOK_FROM_UPLINK)
		return far->endpoint && near->ifindex && !near->endpoint && !end_is_tunnel(near);
	if (far->ifindex != skb->ifindex || !far->endpoint)
		return false;
	/* A router on the way may say that a packet got no further. */
	if (p->relayed)
		return true;
	/* A direct flow's sender is redirected; by the stack it comes only spoofed. */
	if (near->endpoint)
		return false;
	from = away_ifindex(near);
	if (from == DP_AWAY_NODE)
		return !skb->ingress_ifindex;
	return !from || from == skb->ingress_ifindex;
}

static __always_inline bool same_way(const struct flow_end *a, const struct flow_end *b)
{
	return a->ifindex == b->ifindex && a->endpoint == b->endpoint &&
	       (!end_is_tunnel(a) || !__builtin_memcmp(a->mac, b->mac, sizeof(a->mac)));
}

/* Whether a packet that opens a connection only repeats what opened this one. */
static __always_inline bool same_opening(const struct flow *flow, const struct flow *opened)
{
	return !flow_is_over(flow) &&
	       !((flow->flags ^ opened->flags) & (DP_FLOW_INITIATOR_1 | DP_FLOW_FROM_NODE | DP_FLOW_TRANSLATED)) &&
	       same_way(&flow->end[0], &opened->end[0]) && same_way(&flow->end[1], &opened->end[1]);
}

/* To where the flow says, by the next step that is this hook's. */
static __always_inline int onward(struct __sk_buff *skb, const struct packet *p, const struct flow *flow,
				  const struct flow_end *to, __u32 epoch, const enum hook hook)
{
	if (hook == HOOK_TO_POD || hook == HOOK_TO_UPLINK)
		return TC_ACT_OK;
	/* Who is answered by way of the stack is heard by way of it. */
	if (hook == HOOK_FROM_UPLINK && !flow->end[p->src & 1].ifindex)
		return TC_ACT_OK;
	if (hook == HOOK_FROM_OVERLAY || !end_is_tunnel(to))
		return deliver(skb, p, to, hook);
	return send_tunnelled(skb, p, tunnel_node(to), sender_identity(p, &flow->end[p->src & 1], epoch), hook);
}

/*
 * Makes the entry of a connection that begins, in the place of an older one
 * with the same ends. Returns 1 when it was there already: a repeated SYN must
 * not reset what an established connection has come to.
 */
static __always_inline int flow_record(const struct packet *p, const struct flow *opened)
{
	struct flow *flow;
	long ret;

	/* The end of a connection that isn't known begins none. */
	if (p->tcp_flags & (TCP_RST | TCP_FIN))
		return 1;
	ret = flow_add(&p->key, opened);
	if (ret && ret != -EEXIST)
		return -DP_DROP_FLOW_INSERT_FAILED;
	if (!ret) {
		count(DP_COUNT_NEW, 0);
		return 0;
	}
	flow = bpf_map_lookup_elem(&flows, &p->key);
	if (flow && same_opening(flow, opened)) {
		flow->last_seen = opened->last_seen;
		WRITE_ONCE(flow->epoch, opened->epoch);
		return 1;
	}
	return flow_replace(&p->key, opened) ? -DP_DROP_FLOW_INSERT_FAILED : 0;
}

/*
 * What the slow path is asked, and what it finds. In a map, where the
 * verifier forgets how the packet came about, and so follows one way through
 * the rest and not one for each way through the parser; nor is there room for it
 * on the stack. Programs on one CPU don't interrupt each other at these hooks.
 */
struct slow_call {
	struct packet packet;
	struct judgement judgement;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct slow_call);
	__uint(max_entries, 1);
} slow_call SEC(".maps");

/* What there is to tell of the packet at hand. */
static __always_inline struct report *report_at_hand(void)
{
	struct slow_call *call = at(&slow_call, 0);

	return call ? &call->judgement.report : NULL;
}

/* Before anything is known of it. */
static __always_inline void report_nothing(void)
{
	struct report *report = report_at_hand();

	if (report)
		*report = (struct report){};
}

/* Judges, records and forwards. */
static __always_inline int flow_judge(struct __sk_buff *skb, struct slow_call *call, const struct flow *known,
				      __u32 epoch, const enum hook hook)
{
	const struct packet *p = &call->packet;
	struct judgement *j = &call->judgement;
	int ret;

	__builtin_memset(j, 0, sizeof(*j));
	ret = judge(skb, p, known, epoch, hook, j);
	if (ret)
		return ret < 0 ? ret : TC_ACT_OK;
	/* An end that is reached directly: the entry is for the hook at its pod to write. */
	if (hook == HOOK_TO_UPLINK && known && known->end[p->src & 1].endpoint)
		return j->flow.drop ? -j->flow.drop : TC_ACT_OK;
	if (j->flow.drop && !j->known) {
		/* A refused connection is not worth an entry. */
		count_hit(j->flow.cookie);
		return -j->flow.drop;
	}
	if (j->known) {
		if (p->kind != PACKET_ERROR)
			flow_touch(&j->flow, p);
		if (flow_replace(&p->key, &j->flow))
			return -DP_DROP_FLOW_INSERT_FAILED;
		count(DP_COUNT_REJUDGED, 0);
	} else {
		ret = flow_record(p, &j->flow);
		if (ret < 0)
			return ret;
		if (!ret) {
			count_hit(j->report.cookie[DP_EGRESS]);
			count_hit(j->report.cookie[DP_INGRESS]);
			if (cfg.event_new)
				emit(skb, p, &j->report, DP_EVENT_NEW, 0, HOOK_IS_OUT(hook));
		}
	}
	if (j->flow.drop)
		return -j->flow.drop;
	return onward(skb, p, &j->flow, &j->far, epoch, hook);
}

/* The slow path of a hook. `known`: whether the packet may belong to a flow that there is. */
typedef int slow_path(struct __sk_buff *skb, __u32 known);

/* A global function: the verifier goes through it once. */
#define SLOW_PATH(name, hook)                        \
	__noinline slow_path name;                   \
	int name(struct __sk_buff *skb, __u32 known) \
	{                                            \
		return flow_slow(skb, known, hook);  \
	}

static __always_inline int flow_slow(struct __sk_buff *skb, bool known, const enum hook hook)
{
	struct slow_call *call = at(&slow_call, 0);
	const struct dp_state *st = at(&state, 0);
	struct flow *flow = NULL;
	__u32 epoch;

	if (!skb || !call || !st)
		return -DP_DROP_NO_CONFIG;
	/* Before anything that it is a statement about. */
	epoch = READ_ONCE(st->epoch);
	if (known)
		flow = bpf_map_lookup_elem(&flows, &call->packet.key);
	return flow_judge(skb, call, flow, epoch, hook);
}

/* Takes the slow path. What the uplinks' programs parsed is where it looks for it. */
static __always_inline int flow_go_slow(struct __sk_buff *skb, const struct packet *p, bool known, const enum hook hook,
					slow_path *slow)
{
	struct slow_call *call = at(&slow_call, 0);

	if (!call)
		return -DP_DROP_NO_CONFIG;
	if (hook != HOOK_TO_UPLINK && hook != HOOK_FROM_UPLINK)
		call->packet = *p;
	return slow(skb, known);
}

/* A packet of a flow that was refused before: what is told of it is what was found then. */
static __always_inline int flow_refused(const struct flow *flow, const struct packet *p)
{
	struct report *report = report_at_hand();

	if (report)
		*report = (struct report){
			.src_endpoint = flow->end[p->src & 1].endpoint,
			.dst_endpoint = flow->end[!(p->src & 1)].endpoint,
			.direction = flow->direction,
			.cookie = { flow->direction == DP_INGRESS ? 0 : flow->cookie,
				    flow->direction == DP_INGRESS ? flow->cookie : 0 },
		};
	return -flow->drop;
}

static __always_inline int flow_handle(struct __sk_buff *skb, const struct packet *p, const enum hook hook,
				       slow_path *slow)
{
	const struct dp_state *st = at(&state, 0);
	struct flow *flow = NULL;
	__u32 epoch;
	int ret;

	if (!st)
		return -DP_DROP_NO_CONFIG;
	/* Before anything that it is a statement about. */
	epoch = READ_ONCE(st->epoch);

	/* Policy decides an opening before the table does: a refused one costs no lookup there. */
	if (p->kind != PACKET_OPENING) {
		flow = bpf_map_lookup_elem(&flows, &p->key);
		if (likely(flow)) {
			/* A router's error has no sender to judge: it shares the fate that the flow has now. */
			if (likely((flow->epoch == epoch || p->relayed) && flow_at_home(skb, p, flow, hook))) {
				if (p->kind != PACKET_ERROR)
					flow_touch(flow, p);
				if (unlikely(flow->drop))
					return flow_refused(flow, p);
				ret = onward(skb, p, flow, &flow->end[!(p->src & 1)], epoch, hook);
				if (unlikely(ret < 0))
					report_nothing();
				return ret;
			}
		}
	}
	return flow_go_slow(skb, p, p->kind != PACKET_OPENING, hook, slow);
}
