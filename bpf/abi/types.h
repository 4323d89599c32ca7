/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared vocabulary: addresses, protocols and limits of the map ABI. */
#pragma once
#include <linux/types.h>

#pragma clang diagnostic push
#pragma clang diagnostic error "-Wpadded"

/* Goes up when the meaning or the layout of a map that outlives the agent changes. */
#define DP_ABI_VERSION 3

/*
 * An address of either family, network byte order. IPv4 is written as its
 * v4-mapped form ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so that one key shape
 * serves both.
 */
struct dp_addr {
	__be32 w[4];
};
_Static_assert(sizeof(struct dp_addr) == 16, "dp_addr ABI");

/* Directions, seen from an endpoint. */
enum dp_direction : __u8 {
	DP_INGRESS = 0,
	DP_EGRESS = 1,
};

/* Reserved identities; the numbers are those of the Hubble API. */
enum dp_identity : __u32 {
	DP_IDENTITY_UNKNOWN = 0,
	DP_IDENTITY_HOST = 1,
	DP_IDENTITY_WORLD = 2,
	DP_IDENTITY_UNMANAGED = 3,
	DP_IDENTITY_HEALTH = 4,
	DP_IDENTITY_INIT = 5,
	DP_IDENTITY_REMOTE_NODE = 6,
	DP_IDENTITY_KUBE_APISERVER = 7,
	DP_IDENTITY_INGRESS = 8,
	DP_IDENTITY_WORLD_IPV4 = 9,
	DP_IDENTITY_WORLD_IPV6 = 10,
};

#pragma clang diagnostic pop
