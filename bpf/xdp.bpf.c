// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* XDP on the node's uplink: sources of the deny lists go no further. */
#include "lib/common.h"
#include "abi/xdp.h"

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct cidr_key);
	__type(value, struct deny_entry);
	__uint(max_entries, 1024);
} deny_sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct dp_counter_value);
	__uint(max_entries, DP_DENY_GROUPS);
} deny_hits SEC(".maps");

struct vlan_tag {
	__be16 tci, protocol;
};

/* Tags are looked through, so that a tagged source is no way around the list. */
#define VLAN_DEPTH 2

/* The packet's source address, or false when it has none. */
static __always_inline bool source_of(struct xdp_md *ctx, struct dp_addr *source)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	__be16 protocol;

	if (data + sizeof(*eth) > end)
		return false;
	protocol = eth->h_proto;
	data += sizeof(*eth);
#pragma unroll
	for (int i = 0; i < VLAN_DEPTH; i++) {
		struct vlan_tag *tag = data;

		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		if (data + sizeof(*tag) > end)
			return false;
		protocol = tag->protocol;
		data += sizeof(*tag);
	}
	if (protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data;

		if (data + sizeof(*ip) > end)
			return false;
		source->w[0] = source->w[1] = 0;
		source->w[2] = bpf_htonl(0xffff);
		source->w[3] = ip->saddr;
		return true;
	}
	if (protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = data;

		if (data + sizeof(*ip) > end)
			return false;
		__builtin_memcpy(source, &ip->saddr, sizeof(*source));
		return true;
	}
	return false;
}

SEC("xdp")
int deny_source(struct xdp_md *ctx)
{
	struct cidr_key key = { .prefixlen = 128 };
	struct dp_counter_value *hits;
	const struct deny_entry *entry;
	__u32 group;

	if (!source_of(ctx, &key.addr))
		return XDP_PASS;
	entry = bpf_map_lookup_elem(&deny_sources, &key);
	if (!entry)
		return XDP_PASS;
	group = entry->group;
	if (group == DP_DENY_NOT)
		return XDP_PASS;
	hits = bpf_map_lookup_elem(&deny_hits, &group);
	if (hits) {
		hits->packets++;
		hits->bytes += ctx->data_end - ctx->data;
	}
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
