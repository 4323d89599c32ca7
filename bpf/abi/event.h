/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records of the `events` ring buffer, and the counters. */
#pragma once
#include "types.h"

#pragma clang diagnostic push
#pragma clang diagnostic error "-Wpadded"

enum dp_event_type : __u8 {
	DP_EVENT_DROP = 1, /* `reason` says why, `cookie[direction]` which rule, if one */
	DP_EVENT_NEW = 2,  /* a connection was judged and let pass */
};

struct dp_event {
	__u64 time; /* CLOCK_MONOTONIC, ns */
	struct dp_addr src, dst;
	__be16 src_port, dst_port; /* ICMP: dst_port is type << 8 | code, network order */
	__u32 src_identity, dst_identity;
	__u32 cookie[2];                  /* rule that decided, by enum dp_direction; 0: none */
	__u32 ifindex;                    /* where it was seen: a pod's veth, the overlay, a device to the outside */
	__u32 length;                     /* of the packet, bytes with the Ethernet header */
	__u16 src_endpoint, dst_endpoint; /* 0: none on this node */
	__u8 type;                        /* enum dp_event_type */
	__u8 reason;                      /* enum dp_drop */
	__u8 protocol;
	__u8 direction; /* enum dp_direction, of the endpoint that decided */
	__u8 tcp_flags;
	__u8 from_endpoint; /* 1: on its way from a pod of this node; 0: to one */
	__u8 pad[2];
};
_Static_assert(sizeof(struct dp_event) == 80, "dp_event ABI");

/* `counters` (per CPU): drops by reason and direction, then these. */
enum dp_counter : __u32 {
	DP_COUNT_DROP_FROM = 0,  /* + reason: dropped on the way out of a pod */
	DP_COUNT_DROP_TO = 256,  /* + reason: dropped on the way into a pod */
	DP_COUNT_FROM_POD = 512, /* let pass, by program */
	DP_COUNT_TO_POD = 513,
	DP_COUNT_NEW = 514,           /* entries added to `flows` */
	DP_COUNT_REJUDGED = 515,      /* flows judged again after an epoch bump */
	DP_COUNT_EVENT_LOST = 516,    /* ring buffer full */
	DP_COUNT_EVENT_LIMITED = 517, /* over the rate */
	DP_COUNT_EVICTED = 518,       /* entries that made room for others in a full `flows` */
	DP_COUNT_MAX = 519,
};
struct dp_counter_value {
	__u64 packets;
	__u64 bytes;
};

/* `event_budget` (per CPU), one element: the rate limit's memory. */
struct event_budget {
	__u32 tick;
	__u32 used;
	__u32 woke; /* jiffies, low word, of the last wake-up of the reader */
	__u32 pad;
};

#pragma clang diagnostic pop
