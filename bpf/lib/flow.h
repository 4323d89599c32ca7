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
	__u32 from;

	if (from_pod)
		return near->ifindex == skb->ifindex && near->endpoint;
	if (far->ifindex != skb->ifindex || !far->endpoint)
		return false;
	/* A router on the way may say that a packet got no further. */
	if (p->relayed)
		return true;
	/* A direct flow's sender is redirected; by the stack it comes only spoofed. */
	if (near->endpoint)
		return false;
	if (flow->flags & DP_FLOW_FROM_NODE && !!(flow->flags & DP_FLOW_INITIATOR_1) == p->src)
		return !skb->ingress_ifindex;
	from = away_ifindex(near);
	return !from || from == skb->ingress_ifindex;
}

/* Makes the entry of a connection that may begin, over that of an older one with the same ends. */
static __always_inline int flow_record(const struct packet *p, const struct flow *flow)
{
	long ret;

	/* The end of a connection that isn't known begins none. */
	if (p->tcp_flags & (TCP_RST | TCP_FIN))
		return 0;
	ret = bpf_map_update_elem(&flows, &p->key, flow, BPF_NOEXIST);
	if (!ret)
		count(DP_COUNT_NEW, 0); /* what was made, less what is there and what was collected, was evicted */
	else
		ret = bpf_map_update_elem(&flows, &p->key, flow, BPF_ANY);
	return ret ? -DP_DROP_FLOW_INSERT_FAILED : 0;
}

/* Judges, records and forwards. */
static __always_inline int flow_judge(struct __sk_buff *skb, const struct packet *p, const struct flow *known,
				      __u32 epoch, const bool from_pod, struct report *report)
{
	struct judgement j = {};
	int ret = judge(skb, p, known, epoch, from_pod, &j);

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
	if (known) {
		if (bpf_map_update_elem(&flows, &p->key, &j.flow, BPF_ANY))
			return -DP_DROP_FLOW_INSERT_FAILED;
		count(DP_COUNT_REJUDGED, 0);
	} else {
		ret = flow_record(p, &j.flow);
		if (ret < 0)
			return ret;
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
			/* A router's error has no sender to judge: it shares the fate that the flow has now. */
			if (likely((flow->epoch == epoch || p->relayed) && flow_at_home(skb, p, flow, from_pod))) {
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
	return flow_judge(skb, p, flow, epoch, from_pod, report);
}
