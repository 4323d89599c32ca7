// SPDX-License-Identifier: Apache-2.0
//
// Sends back what it gets: TCP and UDP on one port, IPv4 and IPv6.
#include "probe.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
	int fd;
	// Read and not yet written.
	size_t at, end;
	uint8_t buffer[65536];
};

static int queue;
static struct connection udp = { .fd = -1 }, listener = { .fd = -1 };

static void stop(int signal)
{
	(void)signal;
	_exit(0);
}

static int bound(int type, uint16_t port)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = make_socket(AF_INET6, type), off = 0, on = 1;

	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	// Answers come from the address that was asked.
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		fail("bind");
	return fd;
}

static void expect(int operation, struct connection *connection, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = connection };

	if (epoll_ctl(queue, operation, connection->fd, &event))
		fail("epoll_ctl");
}

static void accept_all(void)
{
	int fd;

	while ((fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *connection = malloc(sizeof(*connection));

		if (!connection)
			fail("malloc");
		connection->fd = fd;
		connection->at = connection->end = 0;
		expect(EPOLL_CTL_ADD, connection, EPOLLIN);
	}
}

static void answer_datagrams(void)
{
	static uint8_t buffer[65536];
	struct sockaddr_in6 from;
	char control[256];
	ssize_t size;

	for (;;) {
		struct iovec part = { .iov_base = buffer, .iov_len = sizeof(buffer) };
		struct msghdr message = { .msg_name = &from,
					  .msg_namelen = sizeof(from),
					  .msg_iov = &part,
					  .msg_iovlen = 1,
					  .msg_control = control,
					  .msg_controllen = sizeof(control) };

		size = recvmsg(udp.fd, &message, 0);
		// What was refused before is told here, too.
		if (size < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (size < 0)
			continue;
		// The device is the route's business: a veth's number says nothing on the way back.
		for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part))
			if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO)
				((struct in6_pktinfo *)CMSG_DATA(part))->ipi6_ifindex = 0;
		part.iov_len = (size_t)size;
		sendmsg(udp.fd, &message, 0);
	}
}

// False when it has ended.
static bool echo(struct connection *connection)
{
	for (;;) {
		ssize_t size;

		while (connection->at < connection->end) {
			size = write(connection->fd, connection->buffer + connection->at,
				     connection->end - connection->at);
			if (size < 0 && errno == EAGAIN) {
				expect(EPOLL_CTL_MOD, connection, EPOLLOUT);
				return true;
			}
			if (size <= 0)
				return false;
			connection->at += (size_t)size;
		}
		size = read(connection->fd, connection->buffer, sizeof(connection->buffer));
		if (size < 0 && errno == EAGAIN) {
			expect(EPOLL_CTL_MOD, connection, EPOLLIN);
			return true;
		}
		if (size <= 0)
			return false;
		connection->at = 0;
		connection->end = (size_t)size;
	}
}

int serve(uint16_t port)
{
	struct epoll_event events[64];

	// As the first process of a container it gets no signal that it does not ask for.
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	queue = epoll_create1(EPOLL_CLOEXEC);
	if (queue < 0)
		fail("epoll_create1");
	udp.fd = bound(SOCK_DGRAM, port);
	listener.fd = bound(SOCK_STREAM, port);
	if (listen(listener.fd, 1024))
		fail("listen");
	expect(EPOLL_CTL_ADD, &udp, EPOLLIN);
	expect(EPOLL_CTL_ADD, &listener, EPOLLIN);
	for (;;) {
		int count = epoll_wait(queue, events, 64, -1);

		for (int i = 0; i < count; i++) {
			struct connection *connection = events[i].data.ptr;

			if (connection == &listener) {
				accept_all();
			} else if (connection == &udp) {
				answer_datagrams();
			} else if (!echo(connection)) {
				close(connection->fd);
				free(connection);
			}
		}
	}
}
