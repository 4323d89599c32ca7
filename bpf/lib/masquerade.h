/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What pods send to the outside leaves with the node's address, and what answers goes back to them. */
#pragma once
#include "fragment.h"
#include "nat.h"
#include "rewrite.h"

/* The way on: to other people's programs on the device, and the stack. */
#define ON TC_ACT_UNSPEC

/* The packet's two ends as a mapping's key; `near` is which of them is the node's. */
static __always_inline void nat_key_of(const struct packet *p, bool near, struct nat_key *key)
{
	key->remote = *addr_of(p, !near);
	key->node = *addr_of(p, near);
	key->remote_port = p->key.requester ? 0 : port_of(p, !near);
	key->node_port = port_of(p, near);
	key->protocol = p->key.protocol;
	key->pad[0] = key->pad[1] = key->pad[2] = 0;
}

/* Whether the other end began the packet's connection: its address is what that end knows the pod by. */
static __always_inline bool answers(const struct packet *p)
{
	const struct flow *flow;

	if (p->key.requester)
		return p->key.requester != 1 + p->src;
	if (p->kind == PACKET_REPLY)
		return true;
	flow = bpf_map_lookup_elem(&flows, &p->key);
	return flow && !!(flow->flags & DP_FLOW_INITIATOR_1) != p->src;
}

static __always_inline int masquerade(struct __sk_buff *skb, struct packet *p, bool pod)
{
	struct rewrite change = { .source = true };
	const struct nat_device *device;
	__u32 ifindex = skb->ifindex;
	struct nat_question *q;
	struct nat_entry *entry;
	struct nat_key key;
	bool own;
	int ret;

	device = bpf_map_lookup_elem(&nat_devices, &ifindex);
	if (!device)
		return ON;

	nat_key_of(p, p->src, &key);
	change.from = key.node;
	change.from_port = key.node_port;
	key.node = p->v4 ? device->ipv4 : device->ipv6;
	own = !addr_compare(&key.node, &change.from);
	entry = bpf_map_lookup_elem(&nat, &key);
	if (!entry || !nat_is_of(entry, &change.from, change.from_port)) {
		if (own) {
			/* Nobody else has the tuple. */
			if (!entry)
				return ON;
		} else {
			if ((!pod && !(prefix_flags(&change.from) & DP_NAT_PODS)) || answers(p))
				return ON;
			if (!(key.node.w[2] | key.node.w[3]))
				return -DP_DROP_NAT_NO_MAPPING;
		}
		q = at(&nat_question, 0);
		if (!q)
			return -DP_DROP_NAT_NO_MAPPING;
		q->key = key;
		q->owner.addr = change.from;
		q->owner.port = change.from_port;
		q->v4 = p->v4;
		q->find = entry || (p->key.protocol == IPPROTO_TCP && p->kind != PACKET_OPENING);
		q->make = p->kind != PACKET_ERROR;
		/* It is wanted as long as others had to go around it. */
		if (entry)
			entry->last_seen = now_tick();
		entry = NULL;
		if (nat_search(skb)) {
			key.node_port = q->key.node_port;
			entry = bpf_map_lookup_elem(&nat, &key);
		}
		if (!entry)
			return own ? ON : -DP_DROP_NAT_NO_MAPPING;
	}
	if (p->kind != PACKET_ERROR)
		nat_touch(entry, p, true);
	change.to = key.node;
	change.to_port = key.node_port;
	if (own && change.to_port == change.from_port)
		return ON;
	nat_count(DP_NAT_COUNT_OUT, skb->len);
	ret = rewrite(skb, p, &change);
	return ret < 0 ? ret : ON;
}

/* The packet with its receiver replaced: as its flow knows it. Returns 0 or -DP_DROP_*. */
static __always_inline int readdress(struct packet *p, const struct dp_addr *addr, __be16 port)
{
	const struct dp_addr remote __attribute__((aligned(8))) = *addr_of(p, p->src);
	__be16 remote_port = p->key.requester ? port : port_of(p, p->src);
	int end = order_ends(&p->key, &remote, addr);

	if (end < 0)
		return -DP_DROP_INVALID_PACKET;
	p->src = end;
	order_ports(&p->key, end, remote_port, port);
	if (p->key.requester)
		p->key.requester = 1 + !end;
	return 0;
}

/* Translates back what is another's than it says. Returns 1 when that is a pod, else 0, or -DP_DROP_*. */
static __always_inline int unmasquerade(struct __sk_buff *skb, struct packet *p)
{
	struct rewrite change = { .source = false };
	struct nat_entry *entry;
	struct nat_key key;
	int ret;

	/* What begins outside is no pod's: who asks us here asks the node. */
	if (p->kind == PACKET_OPENING || (p->key.requester && p->key.requester != 1 + !p->src))
		return 0;
	nat_key_of(p, !p->src, &key);
	entry = bpf_map_lookup_elem(&nat, &key);
	if (!entry)
		return 0;
	if (p->kind != PACKET_ERROR)
		nat_touch(entry, p, false);
	change.from = key.node;
	change.from_port = key.node_port;
	change.to = entry->owner;
	change.to_port = entry->port;
	if (change.to_port == change.from_port && !addr_compare(&change.to, &change.from))
		return 0;
	nat_count(DP_NAT_COUNT_IN, skb->len);
	ret = rewrite(skb, p, &change);
	if (ret < 0)
		return ret;
	/* Of what is nobody's here, anybody may send as much as they like. */
	fragment_keep(skb, p);
	if (!addr_compare(&change.to, &change.from))
		return 0;
	ret = readdress(p, &change.to, change.to_port);
	return ret < 0 ? ret : 1;
}
