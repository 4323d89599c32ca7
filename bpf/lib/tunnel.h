/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tunnels to other nodes: one VXLAN device that takes its key from each packet
 * (collect_md). The VNI is the sender's identity.
 */
#pragma once
#include "policy.h"

#define TUNNEL_TTL 64

/*
 * What goes into a tunnel over IPv6 is marked: not every kernel need forget
 * there by which device the inner packet came in, as all do over IPv4
 * (skb_scrub_packet). None of the bits that Kubernetes has for itself (0x4000,
 * 0x8000).
 */
#define TUNNEL_MARK 0x534b0000

/* What a device to the outside received that no node sends, and that is not to be taken out of a tunnel. */
#define STRAY_MARK 0x534b0001

/* Up to its end before Linux 6.0: that size every kernel knows. */
#define TUNNEL_KEY_SIZE (offsetof(struct bpf_tunnel_key, tunnel_label) + sizeof(__u32))

/* Whether an end of a flow is behind the overlay device: then its `mac` is a flow_tunnel. */
static __always_inline bool end_is_tunnel(const struct flow_end *end)
{
	return cfg.overlay_ifindex && end->ifindex == cfg.overlay_ifindex;
}

static __always_inline __u32 tunnel_node(const struct flow_end *end)
{
	const struct flow_tunnel *tunnel = (const struct flow_tunnel *)end->mac;

	return tunnel->node_low | (__u32)tunnel->node_high << 16;
}

static __always_inline __u32 tunnel_identity(const struct flow_end *end)
{
	const struct flow_tunnel *tunnel = (const struct flow_tunnel *)end->mac;

	return tunnel->identity_low | (__u32)tunnel->identity_high << 16;
}

static __always_inline __u64 tunnel_flags(void)
{
	return cfg.tunnel_ipv6 ? BPF_F_TUNINFO_IPV6 : 0;
}

/* Says where the packet's tunnel ends and whom it is from. Returns 0 or -DP_DROP_*. */
static __always_inline int tunnel_to(struct __sk_buff *skb, __u32 node, __u32 identity)
{
	const struct node_entry *entry = at(&nodes, node);
	struct bpf_tunnel_key key = { .tunnel_id = identity, .tunnel_ttl = TUNNEL_TTL };

	if (!node || !entry || !(entry->addr.w[0] | entry->addr.w[1] | entry->addr.w[2] | entry->addr.w[3]))
		return -DP_DROP_NO_TUNNEL_ENDPOINT;
	if (cfg.tunnel_ipv6)
		__builtin_memcpy(key.remote_ipv6, &entry->addr, sizeof(key.remote_ipv6));
	else
		key.remote_ipv4 = bpf_ntohl(entry->addr.w[3]);
	/* The pods' MTU leaves room for the tunnel: no part of the path need fragment. */
	if (bpf_skb_set_tunnel_key(skb, &key, TUNNEL_KEY_SIZE,
				   tunnel_flags() | BPF_F_DONT_FRAGMENT | BPF_F_ZERO_CSUM_TX))
		return -DP_DROP_NO_TUNNEL_ENDPOINT;
	return 0;
}

/* What a packet that came out of a tunnel, or that is about to go into one, is tagged with. False: nothing. */
static __always_inline bool tunnel_of(struct __sk_buff *skb, __u32 *identity, struct dp_addr *outer)
{
	struct bpf_tunnel_key key = {};

	if (bpf_skb_get_tunnel_key(skb, &key, TUNNEL_KEY_SIZE, tunnel_flags()))
		return false;
	*identity = key.tunnel_id;
	if (cfg.tunnel_ipv6)
		__builtin_memcpy(outer, key.remote_ipv6, sizeof(*outer));
	else
		addr_from_v4(outer, bpf_htonl(key.remote_ipv4));
	return true;
}

/* The tunnel that a packet came out of, unless it was led into it. */
static __always_inline bool tunnel_came_by(struct __sk_buff *skb, __u32 *identity, struct dp_addr *outer)
{
	return likely((skb->mark & STRAY_MARK) != STRAY_MARK) && tunnel_of(skb, identity, outer);
}

/*
 * Marks what looks like a tunnel's and is for another port or address than
 * tunnels are: a service may have this node's tunnel port for an endpoint, and
 * what comes to it from a pod elsewhere has its node's address by then, which
 * we believe. The mark stays when the stack translates the packet and takes it
 * apart. Of a datagram in fragments the first one's counts (inet_frag_reasm_prepare).
 *
 * `next`: as the network header says; `own`: it is for an address of this node.
 */
static __always_inline void mark_stray(struct __sk_buff *skb, __u8 next, bool own)
{
	const bool v4 = skb->protocol == bpf_htons(ETH_P_IP);
	__u32 offset = ETH_HLEN + sizeof(struct ipv6hdr);
	struct {
		__be16 source;
		__be16 dest;
		__be32 length_and_sum;
		__be32 vxlan; /* RFC 7348, 5: of its flags only the one for a VNI is set */
	} head;
	__be16 fragment = 0;
	__u8 length;

	if (!cfg.overlay_ifindex || v4 == !!cfg.tunnel_ipv6)
		return;
	if (v4) {
		if (next != IPPROTO_UDP || bpf_skb_load_bytes(skb, ETH_HLEN, &length, sizeof(length)) ||
		    bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, frag_off), &fragment, sizeof(fragment)) ||
		    fragment & bpf_htons(0x1fff))
			return;
		offset = ETH_HLEN + (length & 0xf) * 4;
	} else if (next != IPPROTO_UDP) {
		/* No node's has extension headers; what they hide need not be known. */
		if (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
		    next == IPPROTO_AH || next == IPPROTO_DSTOPTS)
			skb->mark |= STRAY_MARK;
		return;
	}
	if (bpf_skb_load_bytes(skb, offset, &head, sizeof(head))) {
		/* A first fragment that doesn't show what it is. */
		if (fragment & bpf_htons(0x2000))
			skb->mark |= STRAY_MARK;
		return;
	}
	if (head.vxlan == bpf_htonl(0x08000000) && !(own && head.dest == cfg.tunnel_port))
		skb->mark |= STRAY_MARK;
}

/* Whether a packet came out of a tunnel from that node: to the tunnels' port anybody may send. */
static __always_inline bool came_from(struct __sk_buff *skb, __u32 node)
{
	struct dp_addr outer __attribute__((aligned(8)));
	const struct node_entry *entry = at(&nodes, node);
	const struct pod_entry *sender;
	__u32 identity;

	if (!entry || !tunnel_came_by(skb, &identity, &outer))
		return false;
	if (likely(!addr_compare(&outer, &entry->addr)))
		return true;
	/* By another one of its addresses. */
	sender = bpf_map_lookup_elem(&pods, &outer);
	return sender && sender->flags & DP_POD_REMOTE_NODE && sender->node == node;
}

/*
 * What the stack forwards, to where it may have translated it. Of IPv6 every
 * fragment counts, as those that conntrack makes of a datagram that it has put
 * together have no device that they came in by; no tunnel's is one.
 */
static __always_inline bool forwarded(const struct __sk_buff *skb, bool fragmented)
{
	return (skb->ingress_ifindex || (fragmented && skb->protocol == bpf_htons(ETH_P_IPV6))) &&
	       !(cfg.tunnel_ipv6 && skb->mark == TUNNEL_MARK);
}

/*
 * Whether the packet would come to another node as a tunnel's, from this one,
 * and is somebody else's: sent to a service of which that port of the node is
 * an endpoint, and masqueraded.
 */
static __always_inline bool forged_tunnel(const struct __sk_buff *skb, const struct packet *p)
{
	const struct pod_entry *to, *from;

	if (!cfg.overlay_ifindex || !forwarded(skb, p->fragmented) || p->key.protocol != IPPROTO_UDP ||
	    port_of(p, !p->src) != cfg.tunnel_port)
		return false;
	to = bpf_map_lookup_elem(&pods, addr_of(p, !p->src));
	if (to)
		return to->flags & DP_POD_REMOTE_NODE;
	/* Another address of a node, perhaps, which believes us. */
	from = bpf_map_lookup_elem(&pods, addr_of(p, p->src));
	return from && from->flags & DP_POD_HOST;
}

/*
 * The sender of a packet that came out of a tunnel, as its node says: the VNI.
 * The node is one that we know, and the sender none of those that it can't be.
 */
static __always_inline int sender_from_tunnel(struct __sk_buff *skb, const struct packet *p, __u32 epoch,
					      struct side *from)
{
	struct dp_addr outer __attribute__((aligned(8)));
	const struct identity_entry *known;
	const struct pod_entry *node;
	__u32 identity;

	if (!tunnel_came_by(skb, &identity, &outer))
		return -DP_DROP_UNKNOWN_SENDER;
	node = bpf_map_lookup_elem(&pods, &outer);
	if (!node || !(node->flags & DP_POD_REMOTE_NODE) || !node->node)
		return -DP_DROP_UNKNOWN_SENDER;
	side_of_address(addr_of(p, p->src), p->v4, epoch, from);
	/* Nobody elsewhere is one of ours. */
	if (from->kind != SIDE_AWAY)
		return -DP_DROP_INVALID_SOURCE_IP;
	/* Its address may be new to us, or have moved there: the node that sends says whose it is. */
	if (identity == from->identity && (!from->node || from->node == node->node)) {
		from->node = node->node;
		return 0;
	}
	/* The node's own processes, which may use addresses that nobody told us. */
	if (identity == DP_IDENTITY_REMOTE_NODE && (!from->node || from->node == node->node)) {
		/* An address that is known may be more than the node's, such as the API server's. */
		if (from->flags & DP_POD_REMOTE_NODE && from->node)
			return 0;
		if (from->node)
			return -DP_DROP_INVALID_IDENTITY;
		from->identity = node->identity;
		from->slot = node->slot;
		from->node = node->node;
		return 0;
	}
	/* From the outside by way of the node. */
	if (identity == DP_IDENTITY_WORLD && !from->node && !from->flags) {
		from->node = node->node;
		return 0;
	}
	known = bpf_map_lookup_elem(&identities, &identity);
	/* Who is known by identity alone may still lie in a rule's prefix: then it waits until its node has told. */
	if (!known || from->flags || from->in_prefix)
		return -DP_DROP_INVALID_IDENTITY;
	from->identity = identity;
	from->slot = known->slot;
	from->node = node->node;
	return 0;
}

/*
 * The far end of a known flow, of whose address no table says where it is: who
 * it was, and where, when its packets came out of a tunnel. A function of its
 * own, so that the verifier need not follow each of its ways to the end.
 */
static __noinline void side_recall(const struct flow_end *end, struct side *side)
{
	__u32 identity = tunnel_identity(end);
	const struct identity_entry *known;
	const struct node_entry *node;
	const struct pod_entry *pod;

	side->node = tunnel_node(end);
	if (side->in_prefix || side->identity == identity)
		return;
	if (identity == DP_IDENTITY_REMOTE_NODE || identity == DP_IDENTITY_KUBE_APISERVER) {
		node = at(&nodes, side->node);
		pod = node ? bpf_map_lookup_elem(&pods, &node->addr) : NULL;
		if (!pod)
			return;
		side->identity = pod->identity;
		side->slot = pod->slot;
		return;
	}
	known = bpf_map_lookup_elem(&identities, &identity);
	if (known) {
		side->identity = identity;
		side->slot = known->slot;
	}
}
