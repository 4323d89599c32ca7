/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A packet from its first byte to its fate: what all programs do at their hooks. */
#pragma once
#include "flow.h"
#include "parse.h"

static __always_inline int drop(struct __sk_buff *skb, const struct packet *p, int reason, const enum hook hook)
{
	const struct report *report = report_at_hand();

	count((HOOK_IS_OUT(hook) ? DP_COUNT_DROP_FROM : DP_COUNT_DROP_TO) + (reason & 0xff), skb->len);
	/* The chatter of a stack that looks for neighbours is counted, not told. */
	if (report && cfg.event_drop && reason != DP_DROP_FORBIDDEN_ICMP6)
		emit(skb, p, report, DP_EVENT_DROP, reason, HOOK_IS_OUT(hook));
	return TC_ACT_SHOT;
}

static __always_inline int handle(struct __sk_buff *skb, const enum hook hook, slow_path *slow)
{
	struct packet packet = {};
	int ret = parse(skb, &packet);

	/* A pod is no router. */
	if (ret == 0 && hook == HOOK_FROM_POD && packet.relayed)
		ret = -DP_DROP_INVALID_SOURCE_IP;
	if (ret == 0)
		ret = flow_handle(skb, &packet, hook, slow);
	else
		report_nothing();
	if (unlikely(ret < 0))
		return drop(skb, &packet, -ret, hook);
	fragment_keep(skb, &packet);
	count(HOOK_IS_OUT(hook) ? DP_COUNT_FROM_POD : DP_COUNT_TO_POD, skb->len);
	return ret;
}
