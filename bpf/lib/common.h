/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every program includes: kernel types, helpers, settings and time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "../abi/config.h"
#include "../abi/drop.h"
#include "../abi/event.h"
#include "../abi/flow.h"
#include "../abi/policy.h"
#include "../abi/state.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

const volatile struct dp_config cfg SEC(".rodata.config") = {};

/* Where a program meets packets. */
enum hook {
	HOOK_FROM_POD,     /* out of a pod's veth */
	HOOK_TO_POD,       /* from the host's stack into a pod's veth */
	HOOK_FROM_OVERLAY, /* out of a tunnel */
	HOOK_TO_OVERLAY,   /* from the host's stack into a tunnel */
	HOOK_FROM_UPLINK,  /* received for a pod of this node, by a device to the outside */
	HOOK_TO_UPLINK,    /* from a pod by way of the host's stack, about to leave by such a device */
};

/* On the way out of a pod, as opposed to into one. */
#define HOOK_IS_OUT(hook) ((hook) == HOOK_FROM_POD || (hook) == HOOK_TO_OVERLAY || (hook) == HOOK_TO_UPLINK)

/* The coarse clock of the flow table: about a second, and free to read. */
static __always_inline __u32 now_tick(void)
{
	return (__u32)(bpf_jiffies64() >> cfg.tick_shift);
}
