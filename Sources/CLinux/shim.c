// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CLinux.h"

#ifdef __linux__
#include <malloc.h>
#include <errno.h>
#include <linux/magic.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <unistd.h>

/* linux/magic.h of older headers lacks some; the values are ABI. */
#ifndef BPF_FS_MAGIC
#define BPF_FS_MAGIC 0xcafe4a11
#endif
#ifndef NSFS_MAGIC
#define NSFS_MAGIC 0x6e736673
#endif

_Static_assert(CLINUX_VETH_INFO_PEER == VETH_INFO_PEER, "uapi");
_Static_assert(CLINUX_BPF_FLAG_ACT_DIRECT == TCA_BPF_FLAG_ACT_DIRECT, "uapi");
_Static_assert(CLINUX_TC_H_CLSACT == TC_H_CLSACT, "uapi");
_Static_assert(CLINUX_TC_H_CLSACT_HANDLE == TC_H_MAKE(TC_H_CLSACT, 0), "uapi");
_Static_assert(CLINUX_TC_H_INGRESS == TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), "uapi");
_Static_assert(CLINUX_TC_H_EGRESS == TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS), "uapi");

static int result(int value)
{
	return value < 0 ? -errno : value;
}

int clinux_setns_network(int fd)
{
	return result(setns(fd, CLONE_NEWNET));
}

int clinux_unshare_network(void)
{
	return result(unshare(CLONE_NEWNET));
}

static int has_magic(const char *path, uint32_t magic)
{
	struct statfs info;

	if (statfs(path, &info) < 0)
		return -errno;
	/* f_type is signed and as wide as a long. */
	return (uint32_t)info.f_type == magic;
}

int clinux_is_bpffs(const char *path)
{
	return has_magic(path, BPF_FS_MAGIC);
}

int clinux_is_nsfs(const char *path)
{
	return has_magic(path, NSFS_MAGIC);
}

int clinux_eventfd(void)
{
	return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

int clinux_inotify(void)
{
	return result(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
}

const char *clinux_errno_name(int number)
{
	return strerrorname_np(number);
}

const char *clinux_errno_text(int number)
{
	return strerrordesc_np(number);
}

void clinux_trim_heap(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

void clinux_limit_heap_arenas(int count)
{
#ifdef __GLIBC__
	mallopt(M_ARENA_MAX, count);
#else
	(void)count;
#endif
}

void clinux_map_large_blocks(int size)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, size);
#else
	(void)size;
#endif
}

int clinux_membarrier_global(void)
{
	return result((int)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
}

void clinux_name_thread(const char *name)
{
	prctl(PR_SET_NAME, name);
}

int clinux_netlink_open(int protocol)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	int one = 1;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	/* All three since 4.20 at the latest: better errors and smaller replies, no need to fail without. */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

int clinux_netlink_join(int fd, unsigned int group)
{
	return result(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)));
}

int clinux_netlink_receive_buffer(int fd, int bytes)
{
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) == 0)
		return 0;
	return result(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)));
}

int clinux_netlink_receive_timeout(int fd, int milliseconds)
{
	struct timeval limit = { .tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000 };

	return result(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
}

int64_t clinux_netlink_send(int fd, const void *data, size_t length)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t sent = sendto(fd, data, length, 0, (struct sockaddr *)&kernel, sizeof(kernel));

	return sent < 0 ? -errno : sent;
}

int64_t clinux_netlink_receive(int fd, void *data, size_t length, int flags)
{
	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_length = sizeof(from);
		ssize_t received =
			recvfrom(fd, data, length, flags | MSG_TRUNC, (struct sockaddr *)&from, &from_length);

		if (received < 0)
			return -errno;
		if (from.nl_pid == 0)
			return received;
		/* Another process may send to our port: such a datagram is forgotten. */
	}
}
#endif
