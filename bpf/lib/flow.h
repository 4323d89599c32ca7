/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The connection table: the fast path, and the step to the slow one. */
#pragma once
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
					 const bool from_pod)
{
	const struct flow_end *near = &flow->end[p->src & 1], *far = &flow->end[!(p->src & 1)];
	const struct flow_away *away;

	if (from_pod)
		return near->ifindex == skb->ifindex && near->endpoint;
	if (far->ifindex != skb->ifindex || !far->endpoint)
		return false;
	/* A direct flow's sender is redirected; by the stack it comes only spoofed. */
	if (near->endpoint)
		return false;
	if (flow->flags & DP_FLOW_FROM_NODE && !!(flow->flags & DP_FLOW_INITIATOR_1) == p->src)
		return !skb->ingress_ifindex;
	away = (const struct flow_away *)near->mac;
	if (away->from_low | away->from_high)
		return skb->ingress_ifindex == (away->from_low | (__u32)away->from_high << 16);
	return true;
}

/* Judges, records and forwards. */
static __always_inline int flow_judge(struct __sk_buff *skb, const struct packet *p, const struct flow *known,
				      __u32 epoch, const struct dp_state *st, const bool from_pod,
				      struct report *report)
{
	struct judgement j = {};
	int ret = judge(skb, p, known, epoch, st, from_pod, &j);

	*report = j.report;
	if (ret < 0)
		return ret;
	if (j.flow.drop && (!known || p->kind == PACKET_OPENING)) {
		/* A refused connection is not worth an entry. */
		count_hit(j.flow.cookie);
		return -j.flow.drop;
	}
	if (p->kind == PACKET_ERROR && !known)
		return -DP_DROP_UNKNOWN_FLOW;
	/* The end of a connection that isn't known begins none. */
	if (known || !(p->tcp_flags & (TCP_RST | TCP_FIN))) {
		if (bpf_map_update_elem(&flows, &p->key, &j.flow, BPF_ANY))
			return -DP_DROP_FLOW_INSERT_FAILED;
	}
	if (known) {
		count(DP_COUNT_REJUDGED, 0);
	} else {
		count(DP_COUNT_NEW, 0);
		count_hit(j.report.cookie[DP_EGRESS]);
		count_hit(j.report.cookie[DP_INGRESS]);
		if (cfg.event_new)
			emit(skb, p, &j.report, DP_EVENT_NEW, 0, from_pod);
	}
	if (j.flow.drop)
		return -j.flow.drop;
	return from_pod ? deliver(skb, p, &j.far) : TC_ACT_OK;
}

static __always_inline int flow_handle(struct __sk_buff *skb, const struct packet *p, const bool from_pod,
				       struct report *report)
{
	const struct dp_state *st = at(&state, 0);
	struct flow *flow = NULL;
	__u32 epoch;

	if (!st)
		return -DP_DROP_NO_CONFIG;
	/* Before anything that it is a statement about. */
	epoch = READ_ONCE(st->epoch);

	/* Policy decides an opening before the table does: a refused one costs no lookup there. */
	if (p->kind != PACKET_OPENING) {
		flow = bpf_map_lookup_elem(&flows, &p->key);
		if (likely(flow)) {
			if (likely(flow->epoch == epoch && flow_at_home(skb, p, flow, from_pod))) {
				if (p->kind != PACKET_ERROR)
					flow_touch(flow, p);
				if (unlikely(flow->drop)) {
					report->cookie[0] = report->cookie[1] = flow->cookie;
					return -flow->drop;
				}
				return from_pod ? deliver(skb, p, &flow->end[!(p->src & 1)]) : TC_ACT_OK;
			}
		}
	}
	return flow_judge(skb, p, flow, epoch, st, from_pod, report);
}
