/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Later fragments carry no ports. The first one leaves a note of the flow that
 * it belongs to; a fragment without a note is dropped, so that it can't slip
 * past a policy.
 */
#pragma once
#include "maps.h"
#include "packet.h"

static __always_inline void fragment_key_of(const struct packet *p, __be32 id, struct fragment_key *key)
{
	key->src = *addr_of(p, p->src);
	key->dst = *addr_of(p, !p->src);
	key->id = id;
	key->protocol = p->key.protocol;
	key->pad[0] = key->pad[1] = key->pad[2] = 0;
}

/* After the transport header of the first fragment was parsed. */
static __always_inline int fragment_remember(const struct packet *p, __be32 id)
{
	struct fragment_key key;
	struct fragment note = {};

	/* An ICMP error quotes less than any link's MTU; in pieces it is a trick. */
	if (p->kind == PACKET_ERROR)
		return -DP_DROP_INVALID_PACKET;
	fragment_key_of(p, id, &key);
	note.port[0] = port_of(p, p->src);
	note.port[1] = port_of(p, !p->src);
	if (p->icmp)
		note.echo = p->kind == PACKET_REPLY ? DP_ECHO_REPLY : DP_ECHO_REQUEST;
	bpf_map_update_elem(&fragments, &key, &note, BPF_ANY);
	return 0;
}

/* `offset` in bytes. Fills in what the first fragment said. */
static __always_inline int fragment_find(struct packet *p, __be32 id, __u32 offset)
{
	struct fragment_key key;
	struct fragment *note;

	/* RFC 3128: a second fragment that overwrites the flags of the TCP header. */
	if (p->key.protocol == IPPROTO_TCP && offset < 20)
		return -DP_DROP_INVALID_PACKET;
	fragment_key_of(p, id, &key);
	note = bpf_map_lookup_elem(&fragments, &key);
	if (!note)
		return -DP_DROP_FRAGMENT_NOT_FOUND;
	order_ports(&p->key, p->src, note->port[0], note->port[1]);
	if (note->echo) {
		p->icmp = 1;
		p->icmp_type = note->echo == DP_ECHO_REPLY ? (p->v4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY) :
							     (p->v4 ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST);
		p->kind = note->echo == DP_ECHO_REPLY ? PACKET_REPLY : PACKET_FLOW;
		p->key.requester = 1 + (note->echo == DP_ECHO_REPLY ? !p->src : p->src);
	}
	return 0;
}
