/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Swift cannot say to libbpf itself: options structs (macros), functions
 * that report errors through errno, varargs callbacks, atomics, and kernel
 * structs newer than Debian's headers. No logic.
 *
 * Contract of every function here that returns int: >= 0 is success, a
 * negative value is -errno. Plain libbpf 1.x functions that already keep to it
 * are called directly.
 */
#pragma once
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

/* ---- log.c */

/*
 * Receives what libbpf prints at level "warning" on the thread that set it: one
 * formatted message, NUL-terminated, which may hold several lines (a verifier
 * log). `length` is without the NUL.
 */
typedef void (*clibbpf_log_fn)(void *context, const char *message, size_t length);
/* Sets the calling thread's receiver; NULL: its messages are thrown away. Nothing ever goes to stderr. */
void clibbpf_set_log(clibbpf_log_fn receiver, void *context);

/* ---- object.c */

int clibbpf_object_open(const char *path, struct bpf_object **object);
/* Loads a hand-assembled program. `log` (may be NULL) receives the verifier's log. Returns its fd. */
int clibbpf_prog_load(uint32_t type, const char *name, const uint64_t *instructions, size_t count, char *log,
		      uint32_t log_size);

/* ---- map.c */

/* Returns the map's fd. */
int clibbpf_map_create(uint32_t type, const char *name, uint32_t key_size, uint32_t value_size, uint32_t max_entries,
		       uint32_t flags);
/* Shared, readable and writable mapping of a BPF_F_MMAPABLE array. */
int clibbpf_map_mmap(int map_fd, size_t length, void **address);

/* ---- link.c */

/* Attach types of the kernel (6.6) that linux-libc-dev 6.1 does not know; libbpf passes them through. */
enum clibbpf_attach_type : uint32_t {
	CLIBBPF_ATTACH_XDP = 37,
	CLIBBPF_ATTACH_TCX_INGRESS = 46,
	CLIBBPF_ATTACH_TCX_EGRESS = 47,
};
/* Link types of the kernel, enum bpf_link_type. */
enum clibbpf_link_type : uint32_t {
	CLIBBPF_LINK_XDP = 6,
	CLIBBPF_LINK_TCX = 11,
};
/* The head of the kernel's struct bpf_link_info, with the union's members for XDP and TCX links. */
struct clibbpf_link_info {
	uint32_t type; /* enum clibbpf_link_type, or another */
	uint32_t id;
	uint32_t prog_id;
	uint32_t pad;
	uint32_t ifindex;     /* 0: the device is gone */
	uint32_t attach_type; /* TCX only; the kernel writes nothing here for XDP */
};
_Static_assert(offsetof(struct clibbpf_link_info, ifindex) == 16, "the union of bpf_link_info is 8-byte aligned");

/* Returns the link's fd. `flags` are XDP_FLAGS_* for XDP, 0 for TCX (behind what is attached already). */
int clibbpf_link_create(int prog_fd, uint32_t ifindex, uint32_t attach_type, uint32_t flags);
int clibbpf_link_update(int link_fd, int prog_fd);
int clibbpf_link_info(int link_fd, struct clibbpf_link_info *info);

/* ---- ring.c */

/* One record; a negative return stops the consumer behind this record. */
typedef int (*clibbpf_record_fn)(void *context, void *data, size_t length);
int clibbpf_ring_open(int map_fd, clibbpf_record_fn receiver, void *context, struct ring_buffer **ring);

/* ---- run.c */

struct clibbpf_run {
	const void *data_in;
	void *data_out; /* may be NULL */
	void *context;  /* in and out; may be NULL */
	uint32_t data_in_size;
	uint32_t data_out_size; /* in: capacity, out: the packet's length */
	uint32_t context_size;
	uint32_t repeat;
	uint32_t batch_size; /* XDP with BPF_F_TEST_XDP_LIVE_FRAMES; else 0 */
	uint32_t flags;
	uint32_t verdict;     /* out */
	uint32_t nanoseconds; /* out: mean of one repetition */
};
/* BPF_PROG_TEST_RUN. -ENOSPC: the packet did not fit into data_out; everything else is filled in. */
int clibbpf_run(int prog_fd, struct clibbpf_run *run);

/* ---- Atomics on memory shared with BPF programs */

static inline void clibbpf_store_release32(void *address, uint32_t value)
{
	__atomic_store_n((uint32_t *)address, value, __ATOMIC_RELEASE);
}

static inline uint32_t clibbpf_load_acquire32(const void *address)
{
	return __atomic_load_n((const uint32_t *)address, __ATOMIC_ACQUIRE);
}

/* Copies to or from shared memory word by word, each word whole; `shared` is 8-byte aligned. */
void clibbpf_copy_in(void *shared, const void *local, size_t length);
void clibbpf_copy_out(void *local, const void *shared, size_t length);
