/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Later fragments carry no ports. The first one leaves a note of the flow that
 * it belongs to; a fragment without a note is dropped, so that it can't slip
 * past a policy. A note permits nothing: each fragment is judged as a packet of
 * that flow, its sender included.
 */
#pragma once
#include "maps.h"
#include "packet.h"

static __always_inline void fragment_key_of(const struct __sk_buff *skb, const struct packet *p,
					    struct fragment_key *key)
{
	key->src = *addr_of(p, p->src);
	key->dst = *addr_of(p, !p->src);
	key->id = p->fragment_id;
	key->ifindex = skb->ifindex;
	key->protocol = p->fragment_protocol;
	key->pad[0] = key->pad[1] = key->pad[2] = 0;
}

static __always_inline void fragment_remember(const struct __sk_buff *skb, const struct packet *p)
{
	struct fragment_key key;
	struct fragment note = {};

	fragment_key_of(skb, p, &key);
	note.port[0] = port_of(p, p->src);
	note.port[1] = port_of(p, !p->src);
	note.protocol = p->key.protocol;
	if (p->icmp)
		note.echo = p->kind == PACKET_REPLY ? DP_ECHO_REPLY : DP_ECHO_REQUEST;
	bpf_map_update_elem(&fragments, &key, &note, BPF_ANY);
}

/* `offset` in bytes. Fills in what the first fragment said. */
static __always_inline int fragment_find(const struct __sk_buff *skb, struct packet *p, __u32 offset)
{
	struct fragment_key key;
	struct fragment *note;

	fragment_key_of(skb, p, &key);
	note = bpf_map_lookup_elem(&fragments, &key);
	if (!note)
		return -DP_DROP_FRAGMENT_NOT_FOUND;
	/* RFC 3128: a second fragment that overwrites the flags of the TCP header. */
	if (note->protocol == IPPROTO_TCP && offset < 20)
		return -DP_DROP_INVALID_PACKET;
	p->key.protocol = note->protocol;
	order_ports(&p->key, p->src, note->port[0], note->port[1]);
	if (note->echo) {
		bool reply = note->echo == DP_ECHO_REPLY;

		p->icmp = 1;
		if (p->v4)
			p->icmp_type = reply ? ICMP4_ECHO_REPLY : ICMP4_ECHO_REQUEST;
		else
			p->icmp_type = reply ? ICMP6_ECHO_REPLY : ICMP6_ECHO_REQUEST;
		p->kind = reply ? PACKET_REPLY : PACKET_FLOW;
		p->key.requester = 1 + (reply ? !p->src : p->src);
	}
	return 0;
}
