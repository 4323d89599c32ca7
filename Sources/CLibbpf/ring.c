// SPDX-License-Identifier: Apache-2.0
#include "clibbpf.h"
#include <errno.h>

int clibbpf_ring_open(int map_fd, clibbpf_record_fn receiver, void *context, struct ring_buffer **ring)
{
	*ring = ring_buffer__new(map_fd, receiver, context, NULL);
	return *ring ? 0 : -errno;
}
