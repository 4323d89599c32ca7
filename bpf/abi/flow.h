/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The connection table. One entry serves both directions: the key orders the
 * two ends, the entry says which of them began.
 */
#pragma once
#include "types.h"

#pragma clang diagnostic push
#pragma clang diagnostic error "-Wpadded"

/* Ordered so that (addr[0], port[0]) <= (addr[1], port[1]), compared as bytes in memory. */
struct flow_key {
	struct dp_addr addr[2];
	__be16 port[2];      /* ICMP echo: the identifier, twice */
	__u8 protocol;
	__u8 pad[3];
};
_Static_assert(sizeof(struct flow_key) == 40, "flow_key ABI");

/*
 * How a packet reaches one end of the flow, and where that end lives:
 * endpoint != 0: redirect to the peer of `ifindex`; else ifindex != 0: leave
 * by `ifindex`, the kernel resolving the neighbour; else the host's stack.
 */
struct flow_end {
	__u32 ifindex;       /* host side of the pod's veth, or the device to leave by; 0: the stack */
	__u8 mac[6];         /* endpoint != 0: destination MAC; else the first two bytes are the MTU, host order */
	__u16 endpoint;      /* local endpoint number, 0: not a pod of this node */
};
_Static_assert(sizeof(struct flow_end) == 12, "flow_end ABI");

enum flow_flag : __u8 {
	DP_FLOW_INITIATOR_1 = 1,  /* end 1 began; clear: end 0 */
	DP_FLOW_REPLIED = 2,      /* a packet of the other direction was seen */
	DP_FLOW_FIN_0 = 4,        /* end 0 has sent FIN (SCTP: SHUTDOWN) */
	DP_FLOW_FIN_1 = 8,
	DP_FLOW_RESET = 16,       /* RST (SCTP: ABORT) seen */
	DP_FLOW_ACKED = 32,       /* TCP: the initiator has acknowledged */
};

/*
 * `flows` (LRU). 40 bytes, so that with the kernel's element header (48) and
 * the key an element is two cache lines and all that an established packet
 * needs of the value lies in the second.
 */
struct flow {
	__u32 epoch;         /* under which the verdict was given; read before judging */
	__u32 last_seen;     /* tick of the last packet, written at most once a tick */
	struct flow_end end[2];
	__u8 flags;          /* enum flow_flag */
	__u8 drop;           /* 0: may pass; else enum dp_drop */
	__u16 pad;
	__u32 cookie;        /* rule that decided */
};
_Static_assert(sizeof(struct flow) == 40, "flow ABI");

/* `fragments` (LRU): which flow the later fragments of a datagram belong to. */
struct fragment_key {
	struct dp_addr src, dst;
	__be32 id;
	__u8 protocol;
	__u8 pad[3];
};
struct fragment {
	__be16 port[2];      /* source, destination */
};
_Static_assert(sizeof(struct fragment_key) == 40, "fragment_key ABI");
_Static_assert(sizeof(struct fragment) == 4, "fragment ABI");

#pragma clang diagnostic pop
