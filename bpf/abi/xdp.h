/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Deny lists at the device: sources dropped before the stack sees them. */
#pragma once
#include "types.h"

#pragma clang diagnostic push
#pragma clang diagnostic error "-Wpadded"

#define DP_DENY_GROUPS 256

/*
 * A group that denies nothing: written for 0.0.0.0/0 when a short IPv6 prefix
 * covers the mapped IPv4 addresses and no list means them.
 */
#define DP_DENY_NOT 0xffffffff

/* `deny_sources`, longest prefix match with struct cidr_key. */
struct deny_entry {
	__u32 group; /* index into `deny_hits`, below DP_DENY_GROUPS, or DP_DENY_NOT */
};
_Static_assert(sizeof(struct deny_entry) == 4, "deny_entry ABI");

#pragma clang diagnostic pop
