/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The words that switch everything, and the endpoints that they switch.
 * Both maps are arrays that the agent maps into its memory (BPF_F_MMAPABLE)
 * and writes with single atomic stores.
 */
#pragma once
#include "types.h"

#pragma clang diagnostic push
#pragma clang diagnostic error "-Wpadded"

/*
 * `state`, one element. A packet reads the epoch once. Its lowest bit selects
 * which view of every endpoint is live, so that adding one switches any number
 * of endpoints to their next policy at once; adding two only makes every flow
 * be judged once more.
 */
struct dp_state {
	__u32 epoch;
	__u32 reserved[15];
	__u32 flow_hand; /* where the next place in `flow_ring` is taken, modulo its size; a cache line of its own */
	__u32 reserved2[15];
};
_Static_assert(sizeof(struct dp_state) == 128, "dp_state ABI");

/* `base_slots`, one element: slots of addresses that no map knows. */
struct dp_base_slots {
	__u32 world4; /* neither in `pods` nor in `cidrs`, IPv4 */
	__u32 world6; /* the same for IPv6 */
	__u32 node;   /* this node's own processes */
	__u32 reserved;
};
_Static_assert(sizeof(struct dp_base_slots) == 16, "dp_base_slots ABI");

/* Bits of endpoint_view.policy above the policy number. */
enum dp_view_flag : __u32 {
	DP_VIEW_ENFORCE_INGRESS = 1u << 31, /* look rows up; clear: everything may enter */
	DP_VIEW_ENFORCE_EGRESS = 1u << 30,
	DP_VIEW_ANY_INGRESS = 1u << 29, /* the policy has a row for class 0; clear: don't look */
	DP_VIEW_ANY_EGRESS = 1u << 28,
	DP_VIEW_POLICY_MASK = (1u << 28) - 1,
};

/* What holds for an endpoint in one of the two phases of the epoch. */
struct endpoint_view {
	__u32 policy;   /* policy number (0: none loaded, nothing may pass) and enum dp_view_flag */
	__u32 slot4;    /* slot of the endpoint's IPv4 address, index into `classes` */
	__u32 slot6;    /* slot of its IPv6 address */
	__u32 identity; /* security identity, for events */
};

/*
 * `endpoints`, by endpoint number (1...). The number is also the last two
 * bytes of the gateway's MAC address that the pod sends to, so that a packet
 * says itself which element to look at; `ifindex` proves it. One cache line.
 */
struct endpoint {
	struct endpoint_view view[2];
	__u32 ifindex;       /* host side of the veth; 0: no such endpoint. Written last, cleared first. */
	__be32 ipv4;         /* 0: none */
	struct dp_addr ipv6; /* zero: none */
	__u8 mac[6];         /* of the pod's device */
	__u8 pad[2];
};
_Static_assert(sizeof(struct endpoint) == 64, "endpoint ABI");

/* The gateway's MAC address on each pod's link: these four bytes, then the endpoint number, big-endian. */
#define DP_GATEWAY_MAC_0 0x0a
#define DP_GATEWAY_MAC_1 0x5c
#define DP_GATEWAY_MAC_2 0x00
#define DP_GATEWAY_MAC_3 0x00

/* `classes`, by slot: which class of peers an address belongs to. */
struct class_word {
	__u32 class_id; /* 0: no selector of any policy matches */
	__u32 reserved;
};
_Static_assert(sizeof(struct class_word) == 8, "class_word ABI");

enum pod_flag : __u16 {
	DP_POD_HOST = 1,        /* an address of this node */
	DP_POD_REMOTE_NODE = 2, /* an address of another node */
	DP_POD_SERVICE = 4,     /* a service's: the stack translates, and what comes of it is judged */
};

/* `pods`, by struct dp_addr: pod, node and service addresses, exact match. */
struct pod_entry {
	__u32 identity;
	__u32 slot;     /* used when `endpoint` is 0; else the endpoint's view speaks */
	__u16 endpoint; /* local endpoint number, 0: not on this node */
	__u16 flags;    /* enum pod_flag */
	__u32 node;     /* index (24 bits) into `nodes` of the node that has it; 0: this one, or not known */
};
_Static_assert(sizeof(struct pod_entry) == 16, "pod_entry ABI");

/*
 * `nodes`, an array: where tunnels to other nodes end. An element is written
 * before an entry of `pods` names it, and not changed as long as one does.
 */
struct node_entry {
	struct dp_addr addr; /* zero: no such node */
};
_Static_assert(sizeof(struct node_entry) == 16, "node_entry ABI");

/*
 * `identities`, by number: the slot of tunnelled packets whose sender's address
 * isn't known yet. It holds for addresses that lie in no prefix of `cidrs`.
 */
struct identity_entry {
	__u32 slot;
};
_Static_assert(sizeof(struct identity_entry) == 4, "identity_entry ABI");

/* `cidrs`, longest prefix match: prefixes that rules name. */
struct cidr_key {
	__u32 prefixlen; /* bits of `addr`; an IPv4 prefix counts from 96 */
	struct dp_addr addr;
};
struct cidr_entry {
	__u32 identity;
	__u32 slot;
};
_Static_assert(sizeof(struct cidr_key) == 20, "cidr_key ABI");
_Static_assert(sizeof(struct cidr_entry) == 8, "cidr_entry ABI");

#pragma clang diagnostic pop
