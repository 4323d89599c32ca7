/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Settings of the datapath programs. One struct in .rodata.config, set by the
 * agent before load, so that the verifier removes what is off.
 */
#pragma once
#include <linux/types.h>

#pragma clang diagnostic push
#pragma clang diagnostic error "-Wpadded"

struct dp_config {
	__u32 event_rate;      /* ring buffer events per tick and CPU; 0 turns events off */
	__u8 tick_shift;       /* jiffies >> tick_shift is one tick, at most about a second */
	__u8 enable_ipv4;      /* 0: every IPv4 packet is dropped as an unsupported protocol */
	__u8 enable_ipv6;      /* likewise for IPv6 */
	__u8 enable_fragments; /* 0: fragments are dropped */
	__u8 enable_fib;       /* 1: packets for the outside leave by fib and neighbour; 0: by the host's stack */
	__u8 event_new;        /* 1: new connections are reported */
	__u8 event_drop;       /* 1: drops and refusals are reported */
	__u8 count_hits;       /* 1: count new connections and refusals per rule */
	__u32 overlay_ifindex; /* of the VXLAN device to other nodes' pods; 0: no tunnels, routes lead there */
	__be16 tunnel_port;    /* UDP port of the tunnels, which no pod may send to */
	__u8 tunnel_ipv6;      /* 1: nodes reach each other by IPv6 */
	__u8 pad;
	__u32 flow_slots; /* of `flow_ring`: as many as `flows` has room for */
};
_Static_assert(sizeof(struct dp_config) == 24, "dp_config ABI");

#pragma clang diagnostic pop
