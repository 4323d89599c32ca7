// SPDX-License-Identifier: Apache-2.0
/*
 * What Swift can't reach by importing Glibc: GNU extensions, variadic calls,
 * the kernel's own headers.
 *
 * Contract: a function that can fail returns -errno (never sets errno for the
 * caller to read); a result >= 0 is success. None of them retries on EINTR.
 * Nothing here keeps a pointer that it was given.
 */
#pragma once
#ifdef __linux__
#include <stddef.h>
#include <stdint.h>

#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

/* ---- Namespaces and mounts. Both act on the calling thread only. */

/* Moves the calling thread into the network namespace that fd refers to. */
int clinux_setns_network(int fd);
/* Gives the calling thread a new, empty network namespace. */
int clinux_unshare_network(void);
/* Whether path lies on a BPF filesystem: 1 or 0. */
int clinux_is_bpffs(const char *path);
/* Whether path lies on the filesystem of namespaces, as /proc/PID/ns/net and its bind mounts do: 1 or 0. */
int clinux_is_nsfs(const char *path);

/* ---- Files and events. */

/* A non-blocking eventfd with a count of zero. */
int clinux_eventfd(void);
/* A non-blocking inotify instance. */
int clinux_inotify(void);

/* ---- Names for error numbers: pointers to constants, NULL if the number is unknown. */
const char *clinux_errno_name(int number);
const char *clinux_errno_text(int number);

/* ---- Threads and memory. */

/* membarrier(2); the commands are MEMBARRIER_CMD_* of linux/membarrier.h. */
int clinux_membarrier_global(void);
/* malloc_trim(3) and mallopt(3): <malloc.h> is not part of the Glibc module. All do nothing with another C library. */
void clinux_trim_heap(void);
void clinux_limit_heap_arenas(int count);
void clinux_map_large_blocks(int size);
/* Names the calling thread; cut to 15 bytes. */
void clinux_name_thread(const char *name);

/* ---- Netlink. */

/*
 * A blocking netlink socket of the calling thread's network namespace, bound to
 * a port of the kernel's choice, with extended acknowledgements, capped error
 * replies and strict checking of dump requests where the kernel knows them.
 */
int clinux_netlink_open(int protocol);
/* Joins one multicast group (RTNLGRP_*). */
int clinux_netlink_join(int fd, unsigned int group);
/* Sets the receive buffer, past the system's limit where that is allowed. */
int clinux_netlink_receive_buffer(int fd, int bytes);
/* How long a receive may block, milliseconds; 0: for ever. Then it gives -EAGAIN. */
int clinux_netlink_receive_timeout(int fd, int milliseconds);
/* Sends the whole of data to the kernel as one datagram. */
int64_t clinux_netlink_send(int fd, const void *data, size_t length);
/*
 * Receives one datagram and returns its full length, which is greater than
 * length if it was cut. Datagrams that are not from the kernel are skipped.
 * flags: 0 or MSG_DONTWAIT.
 */
int64_t clinux_netlink_receive(int fd, void *data, size_t length, int flags);

/* ---- Attribute numbers that Debian 12's headers don't have by name. */
enum {
	CLINUX_VETH_INFO_PEER = 1,      /* VETH_INFO_PEER */
	CLINUX_BPF_FLAG_ACT_DIRECT = 1, /* TCA_BPF_FLAG_ACT_DIRECT */
};
/* Function-like or cast macros of linux/pkt_sched.h and linux/netlink.h as constants. */
enum clinux_tc_handle : uint32_t {
	CLINUX_TC_H_CLSACT = 0xFFFFFFF1u,        /* TC_H_CLSACT */
	CLINUX_TC_H_CLSACT_HANDLE = 0xFFFF0000u, /* TC_H_MAKE(TC_H_CLSACT, 0) */
	CLINUX_TC_H_INGRESS = 0xFFFFFFF2u,       /* TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS) */
	CLINUX_TC_H_EGRESS = 0xFFFFFFF3u,        /* TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS) */
};
#endif
