/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* RFC 8200, 4: walks the extension headers to the transport header. Bounded, and each checked. */
#pragma once
#include "packet.h"

struct ipv6_chain {
	__u32 offset; /* of the header that `next` names, from the Ethernet header on */
	__u32 room;   /* payload bytes from there */
	__be32 fragment_id;
	__u16 fragment_data; /* where what was cut begins, as `offset` */
	__u16 fragment_offset;
	__u8 next;
	__u8 fragmented;
	__u8 fragment_next; /* what the fragment header names */
	__u8 more;
};

#define IPV6_MAX_EXTENSIONS 6

static __always_inline int skip_extensions(struct __sk_buff *skb, struct ipv6_chain *chain)
{
#pragma unroll
	for (int i = 0; i <= IPV6_MAX_EXTENSIONS; i++) {
		struct ipv6_extension *ext;
		__u32 length;

		switch (chain->next) {
		case IPPROTO_HOPOPTS:
			if (i)
				return -DP_DROP_IPV6_EXTENSION;
			break;
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_FRAGMENT:
		case IPPROTO_AH:
			break;
		case IPPROTO_NONE:
			return -DP_DROP_IPV6_EXTENSION;
		default:
			return 0;
		}
		if (i == IPV6_MAX_EXTENSIONS)
			break;
		/* Nothing but the payload follows the header of a later fragment. */
		if (chain->fragmented && chain->fragment_offset)
			return 0;
		ext = header_at(skb, chain->offset, 8);
		if (!ext || chain->room < 8)
			return -DP_DROP_IPV6_EXTENSION;
		length = (ext->length + 1) * 8;
		if (chain->next == IPPROTO_AH)
			length = (ext->length + 2) * 4; /* RFC 4302, 2.2 */
		if (chain->next == IPPROTO_ROUTING && (bpf_ntohs(ext->offset) >> 8) == 0)
			return -DP_DROP_IPV6_EXTENSION; /* RFC 5095: type 0 is forbidden */
		if (chain->next == IPPROTO_FRAGMENT) {
			if (chain->fragmented)
				return -DP_DROP_IPV6_EXTENSION;
			length = 8;
			chain->fragmented = 1;
			chain->fragment_data = chain->offset + length;
			chain->fragment_offset = bpf_ntohs(ext->offset) & 0xfff8;
			chain->more = bpf_ntohs(ext->offset) & 1;
			chain->fragment_id = ext->id;
			chain->fragment_next = ext->next;
		}
		if (length > chain->room)
			return -DP_DROP_IPV6_EXTENSION;
		chain->next = ext->next;
		chain->offset += length;
		chain->room -= length;
		if (chain->offset > PULL_LENGTH)
			return -DP_DROP_IPV6_EXTENSION;
	}
	return -DP_DROP_IPV6_EXTENSION;
}
