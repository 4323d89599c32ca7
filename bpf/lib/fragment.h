/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Later fragments carry no ports. The first one leaves a note of the flow that
 * it belongs to; a fragment without a note is dropped, so that it can't slip
 * past a policy. A note permits nothing: each fragment is judged as a packet of
 * that flow, its sender included.
 *
 * Who may not send leaves no notes either, or it would push out those of others.
 * So the parser only drafts a note, of the packet as it came in, and the program
 * keeps it once the packet is let through.
 */
#pragma once
#include "maps.h"
#include "packet.h"

/*
 * The note of the packet that is being handled. Not on the stack, where it would
 * have the verifier tell apart to the end what differs in no other way;
 * programs on one CPU don't interrupt each other at these hooks.
 */
struct fragment_draft {
	struct fragment_key key;
	struct fragment note;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct fragment_draft);
	__uint(max_entries, 1);
} fragment_draft SEC(".maps");

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

static __always_inline void fragment_write_draft(const struct __sk_buff *skb, struct packet *p, __u16 options)
{
	struct fragment_draft *draft = at(&fragment_draft, 0);

	if (!draft)
		return;
	fragment_key_of(skb, p, &draft->key);
	draft->note = (struct fragment){
		.port = { port_of(p, p->src), port_of(p, !p->src) },
		.protocol = p->key.protocol,
		.options = options,
	};
	if (p->icmp)
		draft->note.echo = p->kind == PACKET_REPLY ? DP_ECHO_REPLY : DP_ECHO_REQUEST;
	p->first = 1;
}

/* A global function: the verifier goes through it once. */
__noinline int fragment_keep_draft(struct __sk_buff *skb)
{
	struct fragment_draft *draft = at(&fragment_draft, 0);

	if (!skb || !draft)
		return 0;
	return bpf_map_update_elem(&fragments, &draft->key, &draft->note, BPF_ANY);
}

/* For every packet that is let through. */
static __always_inline void fragment_keep(struct __sk_buff *skb, const struct packet *p)
{
	if (unlikely(p->first))
		fragment_keep_draft(skb);
}

/* How much of a transport header the parser looks at. */
static __always_inline __u32 parsed_length(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 20;
	case IPPROTO_SCTP:
		return 16;
	}
	return 8;
}

/* `offset` in bytes. Fills in what the first fragment said. */
static __always_inline int fragment_find(const struct __sk_buff *skb, struct packet *p, __u32 offset)
{
	struct fragment_draft *draft = at(&fragment_draft, 0);
	struct fragment *note;

	if (!draft)
		return -DP_DROP_FRAGMENT_NOT_FOUND;
	fragment_key_of(skb, p, &draft->key);
	note = bpf_map_lookup_elem(&fragments, &draft->key);
	if (!note)
		return -DP_DROP_FRAGMENT_NOT_FOUND;
	/* RFC 3128: a second fragment that overwrites what the first one was judged by, such as TCP's flags. */
	if (offset < note->options + parsed_length(note->protocol))
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
