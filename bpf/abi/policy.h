/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Compiled policy: (policy, class, direction) to a row of verdicts. */
#pragma once
#include "types.h"

#pragma clang diagnostic push
#pragma clang diagnostic error "-Wpadded"

enum dp_verdict : __u8 {
	DP_VERDICT_DEFAULT_DENY = 0, /* no rule allows it */
	DP_VERDICT_ALLOW = 1,
	DP_VERDICT_DENY = 2, /* a rule refuses it */
};

/*
 * `policy`. The row of class 0 holds for every class that has none of its own;
 * a class's own row is complete, so one match decides.
 */
struct policy_key {
	__u32 policy;
	__u32 class_dir; /* class_id << 1 | enum dp_direction */
};
_Static_assert(sizeof(struct policy_key) == 8, "policy_key ABI");

struct policy_port {
	__u16 first; /* host byte order; ICMP: the type */
	__u16 last;
	__u8 protocol; /* IP protocol number, 0: any */
	__u8 verdict;  /* enum dp_verdict */
	__u16 pad;
	__u32 cookie; /* the rule that decides */
};
_Static_assert(sizeof(struct policy_port) == 12, "policy_port ABI");

#define DP_POLICY_INLINE_PORTS 4

/* The first port entry that matches decides, then `table`, then the base. */
struct policy_row {
	__u32 table; /* 0, or the number of this row's entries in `ports` */
	__u32 base_cookie;
	__u8 base_verdict;
	__u8 count; /* port entries used */
	__u16 pad;
	struct policy_port port[DP_POLICY_INLINE_PORTS];
};
_Static_assert(sizeof(struct policy_row) == 60, "policy_row ABI");

/* `ports`, longest prefix match, for rows with more than DP_POLICY_INLINE_PORTS entries. */
struct port_key {
	__u32 prefixlen; /* 48 + bits of `port` that count */
	__u32 table;
	__u8 protocol;
	__u8 pad;
	__be16 port;
};
struct port_entry {
	__u32 cookie;
	__u8 verdict;
	__u8 pad[3];
};
_Static_assert(sizeof(struct port_key) == 12, "port_key ABI");
_Static_assert(sizeof(struct port_entry) == 8, "port_entry ABI");

#pragma clang diagnostic pop
