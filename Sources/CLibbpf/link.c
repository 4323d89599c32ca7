// SPDX-License-Identifier: Apache-2.0
#include "clibbpf.h"
#include <string.h>

int clibbpf_link_create(int prog_fd, uint32_t ifindex, uint32_t attach_type, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);

	return bpf_link_create(prog_fd, (int)ifindex, (enum bpf_attach_type)attach_type, &options);
}

int clibbpf_link_update(int link_fd, int prog_fd)
{
	return bpf_link_update(link_fd, prog_fd, NULL);
}

int clibbpf_link_info(int link_fd, struct clibbpf_link_info *info)
{
	uint32_t length = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(link_fd, info, &length);
}
