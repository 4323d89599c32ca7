// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tc programs on the host side of every pod's veth. One loaded copy serves all
 * endpoints; what differs between them is in maps.
 */
#include "lib/handle.h"

SLOW_PATH(judge_from_pod, HOOK_FROM_POD)
SLOW_PATH(judge_to_pod, HOOK_TO_POD)

/* What the pod sends. */
SEC("tc")
int from_endpoint(struct __sk_buff *skb)
{
	return handle(skb, HOOK_FROM_POD, judge_from_pod);
}

/* What the host's stack hands to the pod: from the node itself, from outside, or translated there. */
SEC("tc")
int to_endpoint(struct __sk_buff *skb)
{
	return handle(skb, HOOK_TO_POD, judge_to_pod);
}

char _license[] SEC("license") = "Dual BSD/GPL";
