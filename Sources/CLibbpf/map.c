// SPDX-License-Identifier: Apache-2.0
#include "clibbpf.h"
#include <errno.h>
#include <string.h>

int clibbpf_map_create(uint32_t type, const char *name, uint32_t key_size, uint32_t value_size, uint32_t max_entries,
		       uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);

	return bpf_map_create((enum bpf_map_type)type, name, key_size, value_size, max_entries, &options);
}

int clibbpf_map_mmap(int map_fd, size_t length, void **address)
{
	*address = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	return *address == MAP_FAILED ? -errno : 0;
}

void clibbpf_copy_in(void *shared, const void *local, size_t length)
{
	char *to = shared;
	const char *from = local;
	uint64_t word;

	for (; length >= sizeof(word); length -= sizeof(word), to += sizeof(word), from += sizeof(word)) {
		memcpy(&word, from, sizeof(word));
		__atomic_store_n((uint64_t *)to, word, __ATOMIC_RELAXED);
	}
	if (length >= sizeof(uint32_t)) {
		uint32_t half;

		memcpy(&half, from, sizeof(half));
		__atomic_store_n((uint32_t *)to, half, __ATOMIC_RELAXED);
		length -= sizeof(half), to += sizeof(half), from += sizeof(half);
	}
	for (; length; length--)
		__atomic_store_n(to++, *from++, __ATOMIC_RELAXED);
}

void clibbpf_copy_out(void *local, const void *shared, size_t length)
{
	char *to = local;
	const char *from = shared;
	uint64_t word;

	for (; length >= sizeof(word); length -= sizeof(word), to += sizeof(word), from += sizeof(word)) {
		word = __atomic_load_n((const uint64_t *)from, __ATOMIC_RELAXED);
		memcpy(to, &word, sizeof(word));
	}
	if (length >= sizeof(uint32_t)) {
		uint32_t half = __atomic_load_n((const uint32_t *)from, __ATOMIC_RELAXED);

		memcpy(to, &half, sizeof(half));
		length -= sizeof(half), to += sizeof(half), from += sizeof(half);
	}
	for (; length; length--)
		*to++ = __atomic_load_n(from++, __ATOMIC_RELAXED);
}
