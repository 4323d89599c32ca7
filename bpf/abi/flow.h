/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The connection table. One entry serves both directions: the key orders the
 * two ends, the entry says which of them began.
 */
#pragma once
#include "types.h"

#pragma clang diagnostic push
#pragma clang diagnostic error "-Wpadded"

/*
 * The ends are ordered by address, compared as two native 64-bit words (any
 * total order does; no flow has equal addresses).
 */
struct flow_key {
	struct dp_addr addr[2];
	__be16 port[2]; /* ICMP echo: the identifier, twice */
	__u8 protocol;
	__u8 requester; /* ICMP echo: 1 + the end that asks, so that pings both ways are two flows */
	__u8 pad[2];
};
_Static_assert(sizeof(struct flow_key) == 40, "flow_key ABI");

/*
 * How a packet reaches one end of the flow, and where that end lives:
 * endpoint != 0: redirect to the peer of `ifindex`; else `ifindex` is the
 * overlay device: in a tunnel to a node; else ifindex != 0: leave by `ifindex`,
 * the kernel resolving the neighbour; else the host's stack.
 */
struct flow_end {
	__u32 ifindex;  /* host side of the pod's veth, or the device to leave by; 0: the stack */
	__u8 mac[6];    /* endpoint != 0: destination MAC; else see flow_away and flow_tunnel */
	__u16 endpoint; /* local endpoint number, 0: not a pod of this node */
};
_Static_assert(sizeof(struct flow_end) == 12, "flow_end ABI");

/* What `mac` holds for an end that is not delivered to a pod directly. */
struct flow_away {
	__u16 mtu;       /* of the route; 0: unknown. Native order */
	__u16 from_low;  /* the interface that its packets must come in by, low and high half; 0: any */
	__u16 from_high; /* DP_AWAY_NODE: by none, this node's own stack sends them */
};
#define DP_AWAY_NODE 0xffffffffu
_Static_assert(sizeof(struct flow_away) == 6, "flow_away ABI");

/* What it holds for an end behind the overlay device: packets come in by that device only. */
struct flow_tunnel {
	__u16 node_low;     /* index into `nodes`, 24 bits */
	__u16 identity_low; /* of who is there, 24 bits as in a VNI */
	__u8 node_high;
	__u8 identity_high;
};
_Static_assert(sizeof(struct flow_tunnel) == 6, "flow_tunnel ABI");

enum flow_flag : __u8 {
	DP_FLOW_INITIATOR_1 = 1, /* end 1 began; clear: end 0 */
	DP_FLOW_REPLIED = 2,     /* a packet of the other direction was seen */
	DP_FLOW_FIN_0 = 4,       /* end 0 has sent FIN (SCTP: SHUTDOWN) */
	DP_FLOW_FIN_1 = 8,
	DP_FLOW_RESET = 16,       /* RST (SCTP: ABORT) seen */
	DP_FLOW_ACKED = 32,       /* the initiator spoke after the reply: established */
	DP_FLOW_FROM_NODE = 64,   /* begun by this node's own processes */
	DP_FLOW_TRANSLATED = 128, /* between two pods by way of the stack, which translates: an end without
				   * `endpoint` is the pod behind flow_away.from */
};

/*
 * `flows`, and in `flow_ring` their keys in the order of their making: see
 * lib/evict.h. 40 bytes, so that with the kernel's element header (48) and
 * the key an element is two cache lines and all that an established packet
 * needs of the value lies in the second.
 */
struct flow {
	__u32 epoch;     /* under which the verdict was given; read before judging */
	__u32 last_seen; /* tick of the last packet, written at most once a tick */
	struct flow_end end[2];
	__u8 flags;     /* enum flow_flag */
	__u8 drop;      /* 0: may pass; else enum dp_drop */
	__u8 direction; /* enum dp_direction whose policy decided */
	__u8 pad;
	__u32 cookie; /* rule that decided */
};
_Static_assert(sizeof(struct flow) == 40, "flow ABI");

/* `fragments` (LRU): which flow the later fragments of a datagram belong to. */
struct fragment_key {
	struct dp_addr src, dst;
	__be32 id;
	__u32 ifindex; /* where it came in, so that nobody speaks for another's datagrams */
	__u8 protocol; /* IPv6: what the fragment header names, which need not be the transport */
	__u8 pad[3];
};
struct fragment {
	__be16 port[2]; /* source, destination */
	__u8 echo;      /* ICMP: enum dp_echo of the datagram */
	__u8 protocol;  /* of the transport */
	__u16 options;  /* bytes in the first fragment, in front of the transport header */
};
enum dp_echo : __u8 {
	DP_ECHO_NONE = 0,
	DP_ECHO_REQUEST = 1,
	DP_ECHO_REPLY = 2,
};
_Static_assert(sizeof(struct fragment_key) == 44, "fragment_key ABI");
_Static_assert(sizeof(struct fragment) == 8, "fragment ABI");

#pragma clang diagnostic pop
