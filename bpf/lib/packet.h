/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parser makes of a packet, and the primitives that it is built of. */
#pragma once
#include "common.h"

enum packet_kind {
	PACKET_FLOW = 0,    /* belongs to a flow, may begin one */
	PACKET_OPENING = 1, /* SYN, INIT: begins one, whatever the table says */
	PACKET_REPLY = 2,   /* can only belong to a flow that exists: SYN+ACK, echo reply */
	PACKET_ERROR = 3,   /* ICMP error: the key is that of the packet that it quotes */
};

struct packet {
	struct flow_key key __attribute__((aligned(8)));
	__be32 fragment_id;
	__u32 l3_length;     /* bytes from the network header on, as the header says */
	__u16 header_length; /* network and transport headers, for what a segment of a GSO packet weighs */
	__u8 src;            /* which end of the key sent this packet */
	__u8 kind;           /* enum packet_kind */
	__u8 v4;             /* 1: IPv4, 0: IPv6 */
	__u8 tcp_flags;      /* as on the wire; SCTP: mapped by what they mean for the flow */
	__u8 icmp;           /* 1: icmp_type and icmp_code are those of the packet */
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 hop_limit;
	__u8 fragmented;        /* 1: a part of a datagram */
	__u8 fragment_protocol; /* as its fragment_key has it */
	__u8 first;             /* of a datagram's parts, and a note of it is drafted */
	__u8 relayed;           /* PACKET_ERROR: sent by a router, not by the end that the quoted packet went to */
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define ICMP4_ECHO_REPLY 0
#define ICMP4_UNREACHABLE 3
#define ICMP4_ECHO_REQUEST 8
#define ICMP4_TIME_EXCEEDED 11
#define ICMP4_PARAMETER 12
#define ICMP6_UNREACHABLE 1
#define ICMP6_PARAMETER 4
#define ICMP6_ECHO_REQUEST 128
#define ICMP6_ECHO_REPLY 129
#define ICMP6_MLD_FIRST 130
#define ICMP6_REDIRECT 137
#define ICMP6_MLD2_REPORT 143

/* The headers that every read below needs; longest chain first pulled when the packet isn't linear. */
#define PULL_LENGTH 256

struct l4_ports {
	__be16 src, dst;
};

struct icmp_header {
	__u8 type, code;
	__be16 checksum;
	__be16 id, sequence;
};

/* Of any extension header; the fragment header uses all of it. */
struct ipv6_extension {
	__u8 next, length;
	__be16 offset;
	__be32 id;
};

/* From `offset` on, `size` bytes of the packet, or NULL. */
static __always_inline void *header_at(struct __sk_buff *skb, __u32 offset, __u32 size)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;

	if (data + offset + size > end)
		return NULL;
	return data + offset;
}

static __always_inline void addr_from_v4(struct dp_addr *addr, __be32 v4)
{
	addr->w[0] = 0;
	addr->w[1] = 0;
	addr->w[2] = bpf_htonl(0xffff);
	addr->w[3] = v4;
}

static __always_inline void addr_from_v6(struct dp_addr *addr, const struct in6_addr *v6)
{
	__builtin_memcpy(addr, v6, sizeof(*addr));
}

/* ::ffff:a.b.c.d */
static __always_inline bool addr_is_mapped(const struct dp_addr *addr)
{
	return !(addr->w[0] | addr->w[1]) && addr->w[2] == bpf_htonl(0xffff);
}

/* Negative, zero or positive, in the order of the flow key. */
static __always_inline int addr_compare(const struct dp_addr *a, const struct dp_addr *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	if (x[0] != y[0])
		return x[0] < y[0] ? -1 : 1;
	if (x[1] != y[1])
		return x[1] < y[1] ? -1 : 1;
	return 0;
}

/* Puts both ends into the key and says which of them sent the packet, or -1 when they are the same. */
static __always_inline int order_ends(struct flow_key *key, const struct dp_addr *src, const struct dp_addr *dst)
{
	int order = addr_compare(src, dst);

	if (order < 0) {
		key->addr[0] = *src;
		key->addr[1] = *dst;
		return 0;
	}
	key->addr[0] = *dst;
	key->addr[1] = *src;
	return order == 0 ? -1 : 1;
}

/*
 * The given end of a key on the stack. Older verifiers refuse a stack access
 * at a variable offset, so the choice must stay a branch.
 */
static __always_inline const struct dp_addr *addr_of(const struct packet *p, bool end)
{
	const struct dp_addr *addr = &p->key.addr[0];

	if (end) {
		addr = &p->key.addr[1];
		asm volatile("" : "+r"(addr));
	}
	return addr;
}

static __always_inline __be16 port_of(const struct packet *p, bool end)
{
	__u32 both;

	__builtin_memcpy(&both, p->key.port, sizeof(both));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return end ? both >> 16 : both & 0xffff;
#else
	return end ? both & 0xffff : both >> 16;
#endif
}

static __always_inline void order_ports(struct flow_key *key, __u8 src, __be16 sport, __be16 dport)
{
	if (src) {
		key->port[0] = dport;
		key->port[1] = sport;
	} else {
		key->port[0] = sport;
		key->port[1] = dport;
	}
}
