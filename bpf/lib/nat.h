/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose a connection with the outside is.
 *
 * A mapping is one entry of `nat`, keyed as packets from the outside have it:
 * remote address and port, node's address and port. There is no second entry
 * for the way out, so none that could be evicted without the other: a packet
 * of a pod makes the key up itself, as its port is kept when it is free. The
 * entry there is the pod's own, and that was the one lookup; or it is
 * another's, and the pod's is at one of the ports that a hash of the
 * connection gives, in their order, NAT_TRIES at most. The rival's entry
 * stands in the way as long as a moved one may lie behind it: every packet of
 * the moved one touches it, so that the LRU keeps it, and the agent does not
 * collect it. A free own port means therefore that there is nothing to look for
 * but what a full table has displaced; for that, TCP looks once more before a
 * packet that opens nothing makes a mapping.
 *
 * The node's own connections need none. When one begins with a tuple that a
 * pod has taken, its first packet finds that entry, and it becomes an owner
 * like a pod, moved to another port: both go on. The other way round, a pod
 * gets no port that a socket of the node uses towards that remote or listens
 * on: then the node's own entry is put in the pod's way. What the node's stack
 * translates itself has no socket: such a connection can be moved in the
 * middle, if a pod chooses its remote and port just then.
 *
 * SCTP keeps its port or is dropped: the ports are under a CRC of the whole
 * packet. The node's own packets are never dropped.
 */
#pragma once
#include "event.h"
#include "../abi/nat.h"

const volatile struct nat_config nat_cfg SEC(".rodata.nat") = {};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct nat_key);
	__type(value, struct nat_entry);
	__uint(max_entries, 1024);
} nat SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct nat_device);
	__uint(max_entries, 64);
} nat_devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct cidr_key);
	__type(value, struct nat_prefix);
	__uint(max_entries, 16384);
} nat_prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct dp_counter_value);
	__uint(max_entries, DP_NAT_COUNT_MAX);
} nat_counters SEC(".maps");

/* Ports tried for a connection, its own first. */
#define NAT_TRIES 16

/* The end of a connection that is on this node, as it knows itself. */
struct nat_owner {
	struct dp_addr addr;
	__be16 port;
};

/*
 * What `nat_search` is asked, and says. Not on the stack, as a global function
 * takes no pointers on older kernels; programs on one CPU don't interrupt each
 * other at these hooks.
 */
struct nat_question {
	struct nat_key key; /* in: with the owner's port; out: with that of the mapping */
	struct nat_owner owner;
	__u8 v4;
	__u8 find; /* look for a mapping that was moved */
	__u8 make; /* then make one */
	__u8 pad[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct nat_question);
	__uint(max_entries, 1);
} nat_question SEC(".maps");

static __always_inline void nat_count(__u32 which, __u32 bytes)
{
	struct dp_counter_value *value = at(&nat_counters, which);

	if (value) {
		value->packets++;
		value->bytes += bytes;
	}
}

static __always_inline __u32 prefix_flags(const struct dp_addr *addr)
{
	struct cidr_key key = { .prefixlen = 128, .addr = *addr };
	const struct nat_prefix *prefix = bpf_map_lookup_elem(&nat_prefixes, &key);

	return prefix ? prefix->flags : 0;
}

static __always_inline bool nat_is_of(const struct nat_entry *entry, const struct dp_addr *addr, __be16 port)
{
	return entry->port == port && !addr_compare(&entry->owner, addr);
}

/* Where the search for a moved owner's port begins (low half), and its step (high half). */
static __always_inline __u32 nat_hash(const struct nat_key *key, const struct nat_owner *owner)
{
	__u32 hash = nat_cfg.seed ^ key->protocol;

#pragma unroll
	for (int i = 0; i < 4; i++) {
		hash = (hash ^ owner->addr.w[i]) * 0x9e3779b1u;
		hash = (hash ^ hash >> 15 ^ key->remote.w[i]) * 0x85ebca6bu;
		hash ^= hash >> 13;
	}
	hash = (hash ^ ((__u32)owner->port << 16 | key->remote_port)) * 0x9e3779b1u;
	return hash ^ hash >> 16;
}

/* The port of the given try; the first is the owner's own. */
static __always_inline __be16 nat_port(const struct nat_owner *owner, __u32 hash, int attempt)
{
	if (!attempt)
		return owner->port;
	return bpf_htons(DP_NAT_FIRST_PORT + ((hash + attempt * (hash >> 16 | 1)) & (DP_NAT_FIRST_PORT - 1)));
}

/* Whether a socket of the node would get what comes in with this key. */
static __always_inline bool nat_port_has_socket(struct __sk_buff *skb, const struct nat_key *key, bool v4)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;
	__u32 size;

	if (key->protocol != IPPROTO_TCP && key->protocol != IPPROTO_UDP)
		return false;
	if (v4) {
		tuple.ipv4.saddr = key->remote.w[3];
		tuple.ipv4.daddr = key->node.w[3];
		tuple.ipv4.sport = key->remote_port;
		tuple.ipv4.dport = key->node_port;
		size = sizeof(tuple.ipv4);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, &key->remote, 16);
		__builtin_memcpy(tuple.ipv6.daddr, &key->node, 16);
		tuple.ipv6.sport = key->remote_port;
		tuple.ipv6.dport = key->node_port;
		size = sizeof(tuple.ipv6);
	}
	if (key->protocol == IPPROTO_TCP)
		sk = bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0); /* in TIME_WAIT, too */
	else
		sk = bpf_sk_lookup_udp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return false;
	bpf_sk_release(sk);
	return true;
}

/* A mapping of the owner's among the ports that it may have been moved to. */
static __always_inline bool nat_find(struct nat_question *q, __u32 hash)
{
	for (int i = 1; i < NAT_TRIES; i++) {
		struct nat_entry *entry;

		q->key.node_port = nat_port(&q->owner, hash, i);
		entry = bpf_map_lookup_elem(&nat, &q->key);
		if (entry && nat_is_of(entry, &q->owner.addr, q->owner.port))
			return true;
	}
	return false;
}

static __always_inline bool nat_insert(const struct nat_key *key, const struct dp_addr *owner, __be16 port)
{
	struct nat_entry made = { .owner = *owner, .port = port, .last_seen = now_tick() };

	if (bpf_map_update_elem(&nat, key, &made, BPF_NOEXIST))
		return false;
	nat_count(DP_NAT_COUNT_NEW, 0);
	return true;
}

/* A new mapping at the first port that is free. */
static __always_inline bool nat_make(struct __sk_buff *skb, struct nat_question *q, __u32 hash)
{
	for (int i = 0; i < NAT_TRIES; i++) {
		struct nat_entry *entry;

		if (i && q->key.protocol == IPPROTO_SCTP)
			break;
		q->key.node_port = nat_port(&q->owner, hash, i);
		entry = bpf_map_lookup_elem(&nat, &q->key);
		if (!entry && nat_port_has_socket(skb, &q->key, q->v4)) {
			/* What is moved must find a rival there, also when the socket is closed. */
			if (!i)
				nat_insert(&q->key, &q->key.node, q->key.node_port);
			continue;
		}
		if (!entry && nat_insert(&q->key, &q->owner.addr, q->owner.port)) {
			if (i)
				nat_count(DP_NAT_COUNT_MOVED, 0);
			return true;
		}
		/* Another CPU may have been faster, with another packet of ours. */
		if (!entry)
			entry = bpf_map_lookup_elem(&nat, &q->key);
		if (entry && nat_is_of(entry, &q->owner.addr, q->owner.port))
			return true;
	}
	return false;
}

/* Answers `nat_question`. A global function: the verifier goes through it once. */
__noinline int nat_search(struct __sk_buff *skb)
{
	struct nat_question *q = at(&nat_question, 0);
	__u32 hash;

	if (!q)
		return 0;
	hash = nat_hash(&q->key, &q->owner);
	if (q->find && nat_find(q, hash))
		return 1;
	return q->make && nat_make(skb, q, hash);
}

/* Notes what a packet changes. Most change nothing, and write nothing. */
static __always_inline void nat_touch(struct nat_entry *entry, const struct packet *p, const bool out)
{
	__u8 flags = entry->flags, changed = flags;
	__u32 tick = now_tick();

	if (out) {
		if (p->kind == PACKET_OPENING && flags & (DP_NAT_FIN_OUT | DP_NAT_FIN_IN | DP_NAT_RESET))
			changed = 0; /* the port is used anew */
		else if (flags & DP_NAT_REPLIED)
			changed |= DP_NAT_ACKED;
		changed &= ~DP_NAT_RESET;
		if (p->tcp_flags & TCP_FIN)
			changed |= DP_NAT_FIN_OUT;
	} else {
		changed |= DP_NAT_REPLIED;
		if (p->tcp_flags & TCP_FIN)
			changed |= DP_NAT_FIN_IN;
	}
	if (p->tcp_flags & TCP_RST)
		changed |= DP_NAT_RESET;
	if (changed != flags)
		entry->flags = changed;
	if (entry->last_seen != tick)
		entry->last_seen = tick;
}
