/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters and the rate-limited ring buffer. Off the path of an established packet. */
#pragma once
#include "maps.h"
#include "packet.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct dp_counter_value);
	__uint(max_entries, DP_COUNT_MAX);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct event_budget);
	__uint(max_entries, 1);
} event_budget SEC(".maps");

static __always_inline void count(__u32 which, __u32 bytes)
{
	struct dp_counter_value *value = at(&counters, which);

	if (value) {
		value->packets++;
		value->bytes += bytes;
	}
}

static __always_inline void count_hit(__u32 cookie)
{
	__u64 *hits;

	if (!cfg.count_hits || !cookie)
		return;
	hits = at(&rule_hits, cookie);
	if (hits)
		(*hits)++;
}

/*
 * What a judgement or a drop has to tell. Filled as far as the packet was
 * understood; identities and cookies stay 0 otherwise.
 */
struct report {
	__u32 src_identity, dst_identity;
	__u32 cookie[2];                  /* by enum dp_direction */
	__u16 src_endpoint, dst_endpoint; /* of this packet's sender and receiver */
	__u8 direction;                   /* that refused */
};

static __always_inline void emit(struct __sk_buff *skb, const struct packet *p, const struct report *r, __u8 type,
				 __u8 reason, const bool from_pod)
{
	struct event_budget *budget = at(&event_budget, 0);
	__u64 jiffies = bpf_jiffies64();
	__u64 flags = BPF_RB_NO_WAKEUP;
	struct dp_event *e;
	__u32 tick = (__u32)(jiffies >> cfg.tick_shift);

	if (!budget)
		return;
	if (budget->tick != tick) {
		budget->tick = tick;
		budget->used = 0;
	}
	if (budget->used >= cfg.event_rate) {
		count(DP_COUNT_EVENT_LIMITED, 0);
		return;
	}
	budget->used++;

	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count(DP_COUNT_EVENT_LOST, 0);
		return;
	}
	e->time = bpf_ktime_get_ns();
	e->src = *addr_of(p, p->src);
	e->dst = *addr_of(p, !p->src);
	e->src_port = port_of(p, p->src);
	e->dst_port = p->icmp ? bpf_htons(p->icmp_type << 8 | p->icmp_code) : port_of(p, !p->src);
	e->src_identity = r->src_identity;
	e->dst_identity = r->dst_identity;
	e->cookie[0] = r->cookie[0];
	e->cookie[1] = r->cookie[1];
	e->ifindex = skb->ifindex;
	e->length = skb->len;
	e->src_endpoint = r->src_endpoint;
	e->dst_endpoint = r->dst_endpoint;
	e->type = type;
	e->reason = reason;
	e->protocol = p->key.protocol;
	e->direction = r->direction;
	e->tcp_flags = p->tcp_flags;
	e->from_endpoint = from_pod;
	e->pad[0] = e->pad[1] = 0;

	/*
	 * Waking the reader costs an interrupt, a hundred times the record: do
	 * it a few times a tick, and let the reader look by itself in between.
	 */
	if ((__u32)jiffies - budget->woke > (1u << cfg.tick_shift) >> 4) {
		budget->woke = (__u32)jiffies;
		flags = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(e, flags);
}
