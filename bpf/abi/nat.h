/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Masquerading: what pods send to the outside leaves with the node's address. */
#pragma once
#include "types.h"

#pragma clang diagnostic push
#pragma clang diagnostic error "-Wpadded"

/* Settings of the node programs besides dp_config: one struct in .rodata.nat. */
struct nat_config {
	__u32 seed; /* of the ports that are tried: the same as long as the node is up, so that a restart finds them again */
};
_Static_assert(sizeof(struct nat_config) == 4, "nat_config ABI");

/*
 * `nat` (LRU): a connection as the outside sees it, and whose it is. One entry
 * is the whole mapping, for both directions: see lib/nat.h.
 */
struct nat_key {
	struct dp_addr remote, node;
	__be16 remote_port, node_port; /* ICMP echo: 0 and the identifier */
	__u8 protocol;
	__u8 pad[3];
};
_Static_assert(sizeof(struct nat_key) == 40, "nat_key ABI");

struct nat_entry {
	struct dp_addr owner; /* the pod; or the node itself, where it and a pod want the same port */
	__be16 port;          /* of the owner */
	__u8 flags;           /* enum nat_flag */
	__u8 pad;
	__u32 last_seen; /* tick of the last packet, written at most once a tick */
};
_Static_assert(sizeof(struct nat_entry) == 24, "nat_entry ABI");

enum nat_flag : __u8 {
	DP_NAT_REPLIED = 1, /* the outside has answered */
	DP_NAT_ACKED = 2,   /* the owner spoke after that: established */
	DP_NAT_FIN_OUT = 4, /* the owner has sent FIN (SCTP: SHUTDOWN) */
	DP_NAT_FIN_IN = 8,
	DP_NAT_RESET = 16, /* RST (SCTP: ABORT), and nothing from the owner since */
};

/* A moved owner's port is one of these; what the host's own processes listen on by habit lies below. */
#define DP_NAT_FIRST_PORT 32768

/* `nat_devices`, by ifindex: the addresses that packets leave by it with; zero: none of that family. */
struct nat_device {
	struct dp_addr ipv4, ipv6;
};
_Static_assert(sizeof(struct nat_device) == 32, "nat_device ABI");

/* `nat_prefixes`, longest prefix match with struct cidr_key: a prefix says all that holds for its addresses. */
enum nat_prefix_flag : __u32 {
	DP_NAT_INSIDE = 1, /* packets to it keep their source */
	DP_NAT_PODS = 2,   /* pods of this node have these addresses */
};
struct nat_prefix {
	__u32 flags; /* enum nat_prefix_flag */
};
_Static_assert(sizeof(struct nat_prefix) == 4, "nat_prefix ABI");

/* `nat_counters` (per CPU), of struct dp_counter_value. Drops are in `counters`. */
enum nat_counter : __u32 {
	DP_NAT_COUNT_OUT = 0,   /* packets that left translated */
	DP_NAT_COUNT_IN = 1,    /* packets that came in and were translated back */
	DP_NAT_COUNT_NEW = 2,   /* mappings made */
	DP_NAT_COUNT_MOVED = 3, /* those of them that could not keep their port */
	DP_NAT_COUNT_MAX = 4,
};

#pragma clang diagnostic pop
