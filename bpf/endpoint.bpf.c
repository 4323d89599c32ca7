// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tc programs on the host side of every pod's veth. One loaded copy serves all
 * endpoints; what differs between them is in maps.
 */
#include "lib/handle.h"

/* What the pod sends. */
SEC("tc")
int from_endpoint(struct __sk_buff *skb)
{
	return handle(skb, HOOK_FROM_POD);
}

/* What the host's stack hands to the pod: from the node itself, from outside, or translated there. */
SEC("tc")
int to_endpoint(struct __sk_buff *skb)
{
	return handle(skb, HOOK_TO_POD);
}

char _license[] SEC("license") = "Dual BSD/GPL";
