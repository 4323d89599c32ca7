// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * For the bench: a wrapper that restores the packet before each round and
 * tail-calls the program to be measured, and a bare program to compare with.
 */
#include "lib/common.h"
#include "lib/packet.h"

#define BENCH_HEADER 78 /* Ethernet, IPv6 and TCP with room to spare */

struct bench_template {
	__u8 bytes[80];
	__u32 source_offset; /* of the source port; 0: don't vary the flow */
	__u32 mask;          /* number of flows - 1 */
	__u32 multiplier;    /* odd: the order in which they come */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct bench_template);
	__uint(max_entries, 1);
} bench_template SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1);
} bench_counter SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1);
} bench_target SEC(".maps");

/*
 * Of flow number i the low 14 bits choose the source port, the next ones the
 * destination port. The multiplier is odd, so that the order is a permutation
 * of any power of two.
 */
SEC("tc")
int bench_restore(struct __sk_buff *skb)
{
	__u32 zero = 0;
	const struct bench_template *template = bpf_map_lookup_elem(&bench_template, &zero);
	__u32 *counter = bpf_map_lookup_elem(&bench_counter, &zero);
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__be16 *port;
	__u32 i, offset;

	if (!template || !counter || data + BENCH_HEADER > end)
		return TC_ACT_SHOT;
	__builtin_memcpy(data, template->bytes, BENCH_HEADER);
	offset = template->source_offset & 63;
	if (offset) {
		i = (*counter)++ * template->multiplier & template->mask;
		port = data + offset;
		if ((void *)(port + 2) > end)
			return TC_ACT_SHOT;
		port[0] = bpf_htons(1024 + (i & 0x3fff));
		port[1] = bpf_htons(8080 + (i >> 14));
	}
	bpf_tail_call(skb, &bench_target, 0);
	return TC_ACT_OK;
}

/* IPv4 only, no policy, no states, no checks of who sends: the least that forwards a known flow. */
struct bare_key {
	__be32 src, dst;
	struct l4_ports ports;
	__u32 protocol;
};

struct bare_flow {
	__u32 ifindex;
	__u8 mac[6];
	__u8 pad[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct bare_key);
	__type(value, struct bare_flow);
	__uint(max_entries, 262144);
} bare_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct dp_counter_value);
	__uint(max_entries, 1);
} bare_counters SEC(".maps");

SEC("tc")
int bench_bare(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);
	struct l4_ports *ports = (void *)(ip + 1);
	struct dp_counter_value *counter;
	struct bare_key key = {};
	struct bare_flow *flow;
	__u32 zero = 0, sum;

	if ((void *)(ports + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5)
		return TC_ACT_SHOT;
	key.src = ip->saddr;
	key.dst = ip->daddr;
	key.ports = *ports;
	key.protocol = ip->protocol;
	flow = bpf_map_lookup_elem(&bare_flows, &key);
	if (!flow)
		return TC_ACT_SHOT;
	counter = bpf_map_lookup_elem(&bare_counters, &zero);
	if (counter) {
		counter->packets++;
		counter->bytes += skb->len;
	}
	sum = ip->check + bpf_htons(0x0100);
	ip->check = (__u16)(sum + (sum >= 0xffff));
	ip->ttl--;
	__builtin_memcpy(eth->h_dest, flow->mac, 6);
	return bpf_redirect_peer(flow->ifindex, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
