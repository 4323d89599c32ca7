// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tc programs on the host side of every pod's veth. One loaded copy serves all
 * endpoints; what differs between them is in maps.
 */
#include "lib/flow.h"
#include "lib/parse.h"

static __always_inline int drop(struct __sk_buff *skb, const struct packet *p, const struct report *report, int reason,
				const bool from_pod)
{
	count((from_pod ? DP_COUNT_DROP_FROM : DP_COUNT_DROP_TO) + (reason & 0xff), skb->len);
	/* The chatter of a stack that looks for neighbours is counted, not told. */
	if (cfg.event_drop && reason != DP_DROP_FORBIDDEN_ICMP6)
		emit(skb, p, report, DP_EVENT_DROP, reason, from_pod);
	return TC_ACT_SHOT;
}

static __always_inline int handle(struct __sk_buff *skb, const bool from_pod)
{
	struct packet packet = {};
	struct report report = {};
	int ret = parse(skb, &packet);

	if (ret == 0 && from_pod && packet.relayed)
		ret = -DP_DROP_INVALID_SOURCE_IP;
	if (ret == 0)
		ret = flow_handle(skb, &packet, from_pod, &report);
	if (unlikely(ret < 0))
		return drop(skb, &packet, &report, -ret, from_pod);
	count(from_pod ? DP_COUNT_FROM_POD : DP_COUNT_TO_POD, skb->len);
	return ret;
}

/* What the pod sends. */
SEC("tc")
int from_endpoint(struct __sk_buff *skb)
{
	return handle(skb, true);
}

/* What the host's stack hands to the pod: from the node itself, from outside, or translated there. */
SEC("tc")
int to_endpoint(struct __sk_buff *skb)
{
	return handle(skb, false);
}

char _license[] SEC("license") = "Dual BSD/GPL";
