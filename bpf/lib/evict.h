/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Additions to the connection table, and what makes room for them when it is
 * full: a clock. The kernel's LRU maps keep lists that every addition sorts,
 * with cache misses on entries that have nothing to do with it; here an
 * addition leaves its key at the next place of a ring, and only a full table
 * reads what stands there.
 *
 * The ring may forget: while there is room, a place is taken from an entry that
 * still lives, too. The agent, which reads all entries when it collects idle
 * ones, writes the ring anew when the table is more than half full.
 */
#pragma once
#include <linux/errno.h>
#include "event.h"
#include "maps.h"

/* From how many places the idlest entry is taken; how many are searched for one that nobody will miss. */
#define EVICT_REACH 8
#define EVICT_FAR 32

/* How often: another CPU may take the room that was made. */
#define EVICT_TRIES 3

/* In ticks: how much longer idle than it was counts an entry that is no conversation, or is one no more. */
#define EVICT_DISPENSABLE 64

/* Keys at hand while room is made: the one that is looked at, and that of the idlest entry. */
struct evict_keys {
	struct flow_key at, idlest;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct evict_keys);
	__uint(max_entries, 1);
} evict_keys SEC(".maps");

static __always_inline struct flow_key *ring_place(__u32 hand)
{
	return cfg.flow_slots ? at(&flow_ring, hand % cfg.flow_slots) : NULL;
}

/* Without the old value, which Linux 5.12 is the first to give: relaxed, else the compiler asks for it all the same. */
static __always_inline void advance(__u32 *hand, __u32 count)
{
	__atomic_fetch_add(hand, count, __ATOMIC_RELAXED);
}

/* Two CPUs may get the same one; then the ring forgets a key. */
static __always_inline __u32 next_place(struct dp_state *st)
{
	__u32 hand = READ_ONCE(st->flow_hand);

	advance(&st->flow_hand, 1);
	return hand;
}

/* Refused, reset, or closed by both ends. */
static __always_inline bool flow_is_over(const struct flow *flow)
{
	const __u8 both = DP_FLOW_FIN_0 | DP_FLOW_FIN_1;

	return flow->drop || flow->flags & DP_FLOW_RESET || (flow->flags & both) == both;
}

/*
 * Makes room for one entry. Returns the place, plus one, of what was deleted, 0
 * if nothing was. Deletes by the key that it has looked up, as the place may be
 * another entry's by then. A global function: the verifier goes through it once.
 */
__noinline __u32 flow_evict(void)
{
	struct dp_state *st = at(&state, 0);
	struct evict_keys *keys = at(&evict_keys, 0);
	__u32 hand, i;
	__u64 idlest = 0; /* how idle, plus one, above its place */

	if (!st || !keys || !cfg.flow_slots)
		return 0;
	/* By one: what was made first goes first, of equals. Two CPUs that choose the same one: the second tries again. */
	hand = next_place(st);
	for (i = 0; i < EVICT_FAR && (i < EVICT_REACH || idlest >> 32 <= EVICT_DISPENSABLE); i++) {
		struct flow_key *place = ring_place(hand + i);
		struct flow *flow;
		__u32 idle;

		if (!place)
			break;
		keys->at = *place;
		flow = bpf_map_lookup_elem(&flows, &keys->at);
		if (!flow)
			continue;
		idle = now_tick() - READ_ONCE(flow->last_seen);
		if ((__s32)idle < 0) /* seen by a CPU that is a tick ahead */
			idle = 0;
		if (!(flow->flags & DP_FLOW_ACKED) || flow_is_over(flow))
			idle += EVICT_DISPENSABLE;
		if (idle + 1 > idlest >> 32) {
			idlest = (__u64)(idle + 1) << 32 | (hand + i) % cfg.flow_slots;
			keys->idlest = keys->at;
		}
	}
	/* Nobody has to search again where nobody dispensable is. */
	st = at(&state, 0); /* again: what is kept over the loop lies on the stack, of which callers leave little */
	if (st && i > EVICT_REACH)
		advance(&st->flow_hand, i - 1);
	if (!idlest || bpf_map_delete_elem(&flows, &keys->idlest))
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
		__u32 found;

		if (ret != -E2BIG || i == EVICT_TRIES)
			return ret;
		found = flow_evict();
		if (found)
			evicted = found;
	}
	place = ring_place(evicted ? evicted - 1 : next_place(st));
	if (place)
		*place = *key;
	return 0;
}

/* Replaces an entry, which may have gone meanwhile; another CPU that was faster has judged the same packets. */
static __always_inline long flow_replace(const struct flow_key *key, const struct flow *flow)
{
	long ret = bpf_map_update_elem(&flows, key, flow, BPF_EXIST);

	if (ret)
		ret = flow_add(key, flow);
	return ret == -EEXIST ? 0 : ret;
}
