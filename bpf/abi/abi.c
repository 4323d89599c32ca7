// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "drop.h"

const char *dp_drop_text(__u8 reason)
{
	switch (reason) {
#define X(name, value, text) \
	case value:          \
		return text;
		DP_DROP_REASONS(X)
#undef X
	}
	return "unknown";
}

__u8 dp_drop_at(__u32 i)
{
	static const __u8 reasons[] = {
#define X(name, value, text) value,
		DP_DROP_REASONS(X)
#undef X
	};
	return i < sizeof(reasons) ? reasons[i] : 0;
}
