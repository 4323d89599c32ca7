/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who an address is, and what the policies say of it. */
#pragma once
#include "maps.h"
#include "packet.h"

enum side_kind {
	SIDE_AWAY = 0,    /* outside, or a pod or node elsewhere */
	SIDE_POD = 1,     /* a pod of this node */
	SIDE_NODE = 2,    /* this node's own stack */
	SIDE_UNREADY = 3, /* a pod of this node that is being made or removed */
	SIDE_SERVICE = 4, /* an address that the stack translates */
};

/* One end of a packet, resolved under one epoch. */
struct side {
	__u32 policy; /* endpoint_view.policy; SIDE_POD only */
	__u32 slot;
	__u32 identity;
	__u32 ifindex;  /* SIDE_POD only */
	__u32 node;     /* index into `nodes`; 0: not behind a tunnel */
	__u16 endpoint; /* SIDE_POD only */
	__u16 flags;    /* enum pod_flag of the address */
	__u8 kind;      /* enum side_kind */
	__u8 mac[6];    /* SIDE_POD only */
	bool in_prefix; /* its slot comes from `cidrs` */
	bool by_stack;  /* behind a tunnel or not, its packets come from the stack, which wants the answers */
};

static __always_inline void side_of_endpoint(const struct endpoint *ep, __u16 number, __u32 epoch, bool v4,
					     struct side *side)
{
	const struct endpoint_view *view = &ep->view[epoch & 1];

	side->policy = READ_ONCE(view->policy);
	side->slot = v4 ? READ_ONCE(view->slot4) : READ_ONCE(view->slot6);
	side->identity = READ_ONCE(view->identity);
	side->ifindex = READ_ONCE(ep->ifindex);
	side->endpoint = number;
	side->kind = SIDE_POD;
	__builtin_memcpy(side->mac, ep->mac, 6);
}

static __always_inline bool endpoint_has(const struct endpoint *ep, const struct dp_addr *addr, bool v4)
{
	const __u64 *x = (const __u64 *)addr;
	const __u64 *y = (const __u64 *)&ep->ipv6;

	if (v4)
		return ep->ipv4 && ep->ipv4 == addr->w[3];
	return (x[0] | x[1]) && x[0] == y[0] && x[1] == y[1];
}

/* An address that no local endpoint vouched for. */
static __always_inline void side_of_address(const struct dp_addr *addr, bool v4, __u32 epoch, struct side *side)
{
	const struct pod_entry *pod = bpf_map_lookup_elem(&pods, addr);
	struct cidr_key key = { .prefixlen = 128, .addr = *addr };
	const struct dp_base_slots *base;
	const struct cidr_entry *cidr;
	const struct endpoint *ep;

	side->kind = SIDE_AWAY;
	if (pod) {
		if (pod->endpoint) {
			ep = at(&endpoints, pod->endpoint);
			side->kind = SIDE_UNREADY;
			if (ep && READ_ONCE(ep->ifindex))
				side_of_endpoint(ep, pod->endpoint, epoch, v4, side);
			return;
		}
		side->identity = pod->identity;
		side->slot = pod->slot;
		side->flags = pod->flags;
		if (cfg.overlay_ifindex)
			side->node = pod->node;
		if (pod->flags & DP_POD_HOST)
			side->kind = SIDE_NODE;
		else if (pod->flags & DP_POD_SERVICE)
			side->kind = SIDE_SERVICE;
		return;
	}
	cidr = bpf_map_lookup_elem(&cidrs, &key);
	if (cidr) {
		side->identity = cidr->identity;
		side->slot = cidr->slot;
		side->in_prefix = true;
		return;
	}
	base = at(&base_slots, 0);
	side->identity = v4 ? DP_IDENTITY_WORLD_IPV4 : DP_IDENTITY_WORLD_IPV6;
	side->slot = base ? (v4 ? READ_ONCE(base->world4) : READ_ONCE(base->world6)) : 0;
}

static __always_inline __u32 class_of(__u32 slot)
{
	const struct class_word *word = at(&classes, slot);

	return word ? READ_ONCE(word->class_id) : 0;
}

struct decision {
	__u32 cookie;
	__u8 verdict; /* enum dp_verdict */
};

static __always_inline void row_decide(const struct policy_row *row, __u8 protocol, __u16 port, struct decision *out)
{
#pragma unroll
	for (int i = 0; i < DP_POLICY_INLINE_PORTS; i++) {
		const struct policy_port *entry = &row->port[i];

		if (i >= row->count)
			break;
		if (entry->protocol && entry->protocol != protocol)
			continue;
		if (port < entry->first || port > entry->last)
			continue;
		out->verdict = entry->verdict;
		out->cookie = entry->cookie;
		return;
	}
	if (row->table) {
		struct port_key key = {
			.prefixlen = 64,
			.table = row->table,
			.protocol = protocol,
			.port = bpf_htons(port),
		};
		const struct port_entry *entry = bpf_map_lookup_elem(&ports, &key);

		if (entry) {
			out->verdict = entry->verdict;
			out->cookie = entry->cookie;
			return;
		}
	}
	out->verdict = row->base_verdict;
	out->cookie = row->base_cookie;
}

/*
 * What the rows of a policy (endpoint_view.policy) say in `direction` of the
 * peer in `slot`; `subject` is protocol << 16 | port. Returns the rule's cookie
 * << 8 | enum dp_verdict.
 *
 * A global function: the verifier goes through it once, and not again for each
 * way that leads to it, which halves what it has to do.
 */
__noinline __u64 policy_verdict(__u32 policy_word, __u32 direction, __u32 slot, __u32 subject)
{
	struct policy_key key = { .policy = policy_word & DP_VIEW_POLICY_MASK };
	__u32 class_id = class_of(slot), dir = direction & 1;
	struct decision decision = {};
	const struct policy_row *row = NULL;

	if (class_id) {
		key.class_dir = class_id << 1 | dir;
		row = bpf_map_lookup_elem(&policy, &key);
	}
	if (!row && policy_word & (dir == DP_INGRESS ? DP_VIEW_ANY_INGRESS : DP_VIEW_ANY_EGRESS)) {
		key.class_dir = dir;
		row = bpf_map_lookup_elem(&policy, &key);
	}
	if (row)
		row_decide(row, subject >> 16, subject & 0xffff, &decision);
	return (__u64)decision.cookie << 8 | decision.verdict;
}

/* Returns 0 or -DP_DROP_*; *cookie names the rule. */
static __always_inline int policy_check(__u32 policy_word, __u8 direction, __u32 slot, __u8 protocol, __u16 port,
					__u32 *cookie)
{
	__u64 verdict;

	if (!(policy_word & DP_VIEW_POLICY_MASK))
		return -DP_DROP_NO_CONFIG;
	if (!(policy_word & (direction == DP_INGRESS ? DP_VIEW_ENFORCE_INGRESS : DP_VIEW_ENFORCE_EGRESS)))
		return 0;
	verdict = policy_verdict(policy_word, direction, slot, (__u32)protocol << 16 | port);
	*cookie = verdict >> 8;
	switch (verdict & 0xff) {
	case DP_VERDICT_ALLOW:
		return 0;
	case DP_VERDICT_DENY:
		return -DP_DROP_POLICY_DENY;
	}
	return -DP_DROP_POLICY_DENIED;
}
