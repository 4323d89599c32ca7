/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why a packet was dropped. The numbers are those of the Hubble API's DropReason. */
#pragma once
#include <linux/types.h>

#define DP_DROP_REASONS(X)                                                                 \
	X(INVALID_SOURCE_IP, 132, "source address is not the endpoint's")                  \
	X(POLICY_DENIED, 133, "no policy rule allows it")                                  \
	X(INVALID_PACKET, 134, "invalid packet")                                           \
	X(INVALID_HEADER, 135, "truncated or invalid header")                              \
	X(UNKNOWN_L4, 137, "unknown transport protocol")                                   \
	X(UNSUPPORTED_L3, 139, "unsupported network protocol")                             \
	X(UNKNOWN_ICMP4_TYPE, 144, "ICMP type that no flow uses")                          \
	X(UNKNOWN_ICMP6_TYPE, 146, "ICMPv6 type that no flow uses")                        \
	X(UNKNOWN_TARGET, 150, "multicast, broadcast or unusable destination")             \
	X(NO_ENDPOINT, 152, "no endpoint on this interface")                               \
	X(FLOW_INSERT_FAILED, 155, "connection could not be recorded")                     \
	X(IPV6_EXTENSION, 156, "invalid IPv6 extension header")                            \
	X(FRAGMENT, 157, "fragments are turned off")                                       \
	X(NO_TUNNEL_ENDPOINT, 160, "no node is known for the destination")                 \
	X(UNKNOWN_FLOW, 163, "reply or error of an unknown connection")                    \
	X(NO_CONFIG, 165, "no policy is loaded for the endpoint")                          \
	X(NAT_NO_MAPPING, 167, "no port or address to masquerade it with")                 \
	X(INVALID_IDENTITY, 171, "tunnelled under an identity that the sender can't have") \
	X(UNKNOWN_SENDER, 172, "only nodes may send into tunnels")                         \
	X(FRAGMENT_NOT_FOUND, 175, "first fragment was not seen")                          \
	X(FORBIDDEN_ICMP6, 176, "neighbour discovery or multicast control")                \
	X(POLICY_DENY, 181, "a policy rule denies it")                                     \
	X(VLAN, 182, "VLAN-tagged")

enum dp_drop : __u8 {
#define X(name, value, text) DP_DROP_##name = value,
	DP_DROP_REASONS(X)
#undef X
};

/* English for a reason; "unknown" for a number that is none. */
const char *dp_drop_text(__u8 reason);
/* The reason at position i of the list, 0 past its end. */
__u8 dp_drop_at(__u32 i);
