// SPDX-License-Identifier: Apache-2.0
#include "clibbpf.h"
#include <errno.h>

int clibbpf_object_open(const char *path, struct bpf_object **object)
{
	*object = bpf_object__open_file(path, NULL);
	return *object ? 0 : -errno;
}

int clibbpf_prog_load(uint32_t type, const char *name, const uint64_t *instructions, size_t count, char *log,
		      uint32_t log_size)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .log_buf = log, .log_size = log_size, .log_level = log ? 1 : 0);

	return bpf_prog_load((enum bpf_prog_type)type, name, "GPL", (const struct bpf_insn *)instructions, count,
			     &options);
}
