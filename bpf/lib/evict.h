/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Additions to the connection table, and what makes room for them when it is
 * full: a clock. The kernel's LRU maps keep lists that every addition sorts,
 * with cache misses on entries that have nothing to do with it; here an
 * addition leaves its key at the next place of a ring, and only a full table
 * reads what stands there.
 *
 * The ring may forget: while there is room, a place is taken from an entry that
 * still lives, too. The clock never finds that one again; the agent does, whose
 * timeouts get shorter as the table fills.
 */
#pragma once
#include <linux/errno.h>
#include "event.h"
#include "maps.h"

/* Of how many places the idlest entry is taken; how many are searched for any, as the ring may have forgotten those. */
#define EVICT_REACH 8
#define EVICT_FAR 64

/* How often: another CPU may take the room that was made. */
#define EVICT_TRIES 3

/* In ticks: how much longer idle than it was counts an entry that nobody has answered. */
#define EVICT_UNANSWERED 64

static __always_inline struct flow_key *ring_place(__u32 hand)
{
	return cfg.flow_slots ? at(&flow_ring, hand % cfg.flow_slots) : NULL;
}

/*
 * Makes room for one entry. Returns the place, plus one, of what was deleted, 0
 * if nothing was: a place that another CPU is writing meanwhile is passed over.
 * A global function: the verifier goes through it once.
 */
__noinline __u32 flow_evict(void)
{
	struct dp_state *st = at(&state, 0);
	__u32 tick = now_tick(), hand, i;
	__u64 idlest = 0; /* how idle, plus one, above its place */
	struct flow_key *place;

	if (!st || !cfg.flow_slots)
		return 0;
	/* By one: what was made first goes first, of equals. Two CPUs that choose the same one: the second tries again. */
	hand = __sync_fetch_and_add(&st->flow_hand, 1);
	for (i = 0; i < EVICT_FAR && (i < EVICT_REACH || !idlest); i++) {
		struct flow *flow;
		__u32 idle;

		place = ring_place(hand + i);
		flow = place ? bpf_map_lookup_elem(&flows, place) : NULL;
		if (!flow)
			continue;
		idle = tick - READ_ONCE(flow->last_seen);
		if ((__s32)idle < 0) /* seen after `tick` was read */
			idle = 0;
		if (!(flow->flags & DP_FLOW_REPLIED))
			idle += EVICT_UNANSWERED;
		if (idle + 1 > idlest >> 32)
			idlest = (__u64)(idle + 1) << 32 | (hand + i) % cfg.flow_slots;
	}
	/* Nobody has to search where nobody is. */
	if (i > EVICT_REACH)
		__sync_fetch_and_add(&st->flow_hand, i - 1);
	place = idlest ? ring_place((__u32)idlest) : NULL;
	if (!place || bpf_map_delete_elem(&flows, place))
		return 0;
	count(DP_COUNT_EVICTED, 0);
	return (__u32)idlest + 1;
}

/* Adds an entry. -EEXIST if there is one, another error if no room can be made. */
static __always_inline long flow_add(const struct flow_key *key, const struct flow *flow)
{
	struct dp_state *st = at(&state, 0);
	struct flow_key *place;
	__u32 evicted = 0;
	long ret;

	if (!st)
		return -ENOENT;
	for (int i = 0; (ret = bpf_map_update_elem(&flows, key, flow, BPF_NOEXIST)); i++) {
		if (ret != -E2BIG || i == EVICT_TRIES)
			return ret;
		evicted = flow_evict();
	}
	place = ring_place(evicted ? evicted - 1 : __sync_fetch_and_add(&st->flow_hand, 1));
	if (place)
		*place = *key;
	return 0;
}

/* Replaces an entry, which may have gone meanwhile. */
static __always_inline long flow_replace(const struct flow_key *key, const struct flow *flow)
{
	return bpf_map_update_elem(&flows, key, flow, BPF_EXIST) ? flow_add(key, flow) : 0;
}
