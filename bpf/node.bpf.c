// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tc programs on the node's devices to the outside: what pods send there leaves
 * with the node's address, and what answers goes back to them.
 */
#include "lib/nat.h"
#include "lib/parse.h"
#include "lib/rewrite.h"

/* The way on: to other people's programs on the device, and the stack. */
#define ON TC_ACT_UNSPEC

static __always_inline int drop(struct __sk_buff *skb, const struct packet *p, int reason, const bool out)
{
	struct report report = {};

	count((out ? DP_COUNT_DROP_FROM : DP_COUNT_DROP_TO) + (reason & 0xff), skb->len);
	if (cfg.event_drop)
		emit(skb, p, &report, DP_EVENT_DROP, reason, out);
	return TC_ACT_SHOT;
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

	return !skb->vlan_present && outer_addr(skb, true, &addr, &next) && prefix_flags(&addr) & DP_NAT_PODS;
}

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

static __always_inline int handle_out(struct __sk_buff *skb, struct packet *p)
{
	struct rewrite change = { .source = true };
	const struct nat_device *device;
	__u32 ifindex = skb->ifindex;
	struct nat_question *q;
	struct nat_entry *entry;
	struct nat_key key;
	bool own;
	int ret;

	if (inside(skb, true))
		return ON;
	ret = parse(skb, p);
	device = bpf_map_lookup_elem(&nat_devices, &ifindex);
	if (!device)
		return ON;
	/* Not understood, so not to be translated: a pod's must not get out as it is. */
	if (ret < 0)
		return from_pod(skb) ? ret : ON;

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
			if (!(prefix_flags(&change.from) & DP_NAT_PODS) || answers(p))
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

static __always_inline int handle_in(struct __sk_buff *skb, struct packet *p)
{
	struct rewrite change = { .source = false };
	struct nat_entry *entry;
	struct nat_key key;
	int ret;

	/* What the parser refuses, and a fragment that nothing is known of, is the stack's to judge. */
	if (inside(skb, false) || parse(skb, p) < 0)
		return ON;
	/* What begins outside is no pod's: who asks us here asks the node. */
	if (p->kind == PACKET_OPENING || (p->key.requester && p->key.requester != 1 + !p->src))
		return ON;
	nat_key_of(p, !p->src, &key);
	entry = bpf_map_lookup_elem(&nat, &key);
	if (!entry)
		return ON;
	if (p->kind != PACKET_ERROR)
		nat_touch(entry, p, false);
	change.from = key.node;
	change.from_port = key.node_port;
	change.to = entry->owner;
	change.to_port = entry->port;
	if (change.to_port == change.from_port && !addr_compare(&change.to, &change.from))
		return ON;
	nat_count(DP_NAT_COUNT_IN, skb->len);
	ret = rewrite(skb, p, &change);
	if (ret < 0)
		return ret;
	/* Of what is nobody's here, anybody may send as much as they like. */
	fragment_keep(skb, p);
	return ON;
}

/* What leaves by the device. */
SEC("tc")
int to_node(struct __sk_buff *skb)
{
	struct packet packet = {};
	int ret = handle_out(skb, &packet);

	if (unlikely(ret < ON))
		return drop(skb, &packet, -ret, true);
	fragment_keep(skb, &packet);
	return ret;
}

/* What the device received. */
SEC("tc")
int from_node(struct __sk_buff *skb)
{
	struct packet packet = {};
	int ret = handle_in(skb, &packet);

	return unlikely(ret < ON) ? drop(skb, &packet, -ret, false) : ret;
}

char _license[] SEC("license") = "Dual BSD/GPL";
