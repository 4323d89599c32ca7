// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * For tests: gives the packet the metadata of one that came out of a tunnel,
 * which BPF_PROG_TEST_RUN can't, and tail-calls the program under test.
 */
#include "lib/common.h"

struct tunnel_input {
	__u32 identity;
	__u32 ipv6;      /* 1: the outer packet is IPv6 */
	__u32 source[4]; /* of the outer packet; IPv4 in host byte order, in source[0] */
	__u32 target;    /* index into tunnel_target */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct tunnel_input);
	__uint(max_entries, 1);
} tunnel_input SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 4);
} tunnel_target SEC(".maps");

/* What no program under test returns. */
#define TUNNEL_UNSUPPORTED 100 /* the kernel has no way to say where the outer packet comes from (before 6.0) */
#define TUNNEL_NO_TARGET 101   /* there is no program at that index */

SEC("tc")
int tunnel_wrap(struct __sk_buff *skb)
{
	__u32 zero = 0;
	const struct tunnel_input *input = bpf_map_lookup_elem(&tunnel_input, &zero);
	struct bpf_tunnel_key key = {};

	if (!input)
		return TC_ACT_SHOT;
	key.tunnel_id = input->identity;
	/* What is asked for as the remote end of a packet is its source, which a sender calls the local one. */
	if (input->ipv6)
		__builtin_memcpy(key.local_ipv6, input->source, sizeof(key.local_ipv6));
	else
		key.local_ipv4 = input->source[0];
	if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), input->ipv6 ? BPF_F_TUNINFO_IPV6 : 0))
		return TUNNEL_UNSUPPORTED;
	bpf_tail_call(skb, &tunnel_target, input->target);
	return TUNNEL_NO_TARGET;
}

char _license[] SEC("license") = "Dual BSD/GPL";
