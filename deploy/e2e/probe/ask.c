// SPDX-License-Identifier: Apache-2.0
//
// Questions, all asked at once: a line "tcp|udp|icmp ADDRESS PORT SIZE" each,
// answered by the same line, what came of it (ok, refused, timeout, broken, or the
// system's word) and milliseconds. Bytes have to come back as they were sent; TCP
// of size 0 only connects. ICMP is an echo request (its port is nobody's business).
#include "probe.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	most = 512,
	again_ms = 400,
	icmp_header = 8
};

struct question {
	char line[160];
	int fd, family;
	bool datagram, icmp, connected;
	uint32_t seed;
	size_t size, sent, got; // of bytes
	int64_t began, asked;
	uint8_t *bytes;
	const char *result;
	int64_t took;
};

static struct question questions[most];
static struct pollfd waits[most];
static int64_t began;

static void end(struct question *question, const char *result)
{
	question->result = result;
	question->took = now_ms() - question->began;
	if (question->fd >= 0)
		close(question->fd);
	question->fd = -1;
}

static void end_by_error(struct question *question, int error)
{
	if (error == ECONNREFUSED)
		end(question, "refused");
	else if (error == ETIMEDOUT)
		end(question, "timeout");
	else if (error == ECONNRESET || error == EPIPE)
		end(question, "broken");
	else if (error == EHOSTUNREACH || error == ENETUNREACH || error == EACCES || error == EPERM)
		end(question, "unreachable");
	else
		end(question, strerrorname_np(error));
}

static uint16_t checksum(const uint8_t *bytes, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

// The seed goes out as identifier and number, and with it as the question's own mark.
static void make_echo_request(struct question *question)
{
	uint8_t *bytes = question->bytes;
	uint16_t sum;

	memset(bytes, 0, icmp_header);
	bytes[0] = question->family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	memcpy(bytes + 4, &question->seed, sizeof(question->seed));
	fill(bytes + icmp_header, question->size - icmp_header, question->seed);
	if (question->family == AF_INET6)
		return; // the kernel's work
	sum = checksum(bytes, question->size);
	bytes[2] = (uint8_t)(sum >> 8);
	bytes[3] = (uint8_t)sum;
}

static int icmp_socket(int family)
{
	int fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
			family == AF_INET ? (int)IPPROTO_ICMP : (int)IPPROTO_ICMPV6);

	if (fd < 0)
		fail("raw socket");
	return fd;
}

static void start(struct question *question)
{
	struct sockaddr_storage address;
	char protocol[8], where[64];
	unsigned int port;
	socklen_t length;

	question->fd = -1;
	question->began = now_ms();
	if (sscanf(question->line, "%7s %63s %u %zu", protocol, where, &port, &question->size) != 4 || port > 65535 ||
	    question->size > largest || !parse_address(where, (uint16_t)port, &address, &length)) {
		end(question, "not-understood");
		return;
	}
	question->family = address.ss_family;
	question->icmp = !strcmp(protocol, "icmp");
	question->datagram = question->icmp || !strcmp(protocol, "udp");
	if (question->icmp)
		question->size += icmp_header;
	question->bytes = malloc(question->size + 1);
	if (!question->bytes)
		fail("malloc");
	if (question->icmp)
		make_echo_request(question);
	else
		fill(question->bytes, question->size, question->seed);
	question->fd = question->icmp ? icmp_socket(question->family) :
					make_socket(question->family, question->datagram ? SOCK_DGRAM : SOCK_STREAM);
	if (connect(question->fd, (struct sockaddr *)&address, length) && errno != EINPROGRESS)
		end_by_error(question, errno);
}

static void send_more(struct question *question)
{
	ssize_t size = send(question->fd, question->bytes + question->sent, question->size - question->sent, 0);

	if (size < 0 && errno != EAGAIN)
		end_by_error(question, errno);
	else if (size > 0)
		question->sent += (size_t)size;
	question->asked = now_ms();
}

// An answer to an echo request, or what else comes in: such sockets see everything of their peer's.
static void receive_echo(struct question *question, const uint8_t *packet, size_t size)
{
	size_t header = question->family == AF_INET && size ? (packet[0] & 15U) * 4 : 0;
	uint8_t reply = question->family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;

	if (size < header + icmp_header || packet[header] != reply ||
	    memcmp(packet + header + 4, &question->seed, sizeof(question->seed)))
		return;
	if (size - header != question->size)
		end(question, "broken");
	else if (memcmp(packet + header + icmp_header, question->bytes + icmp_header, question->size - icmp_header))
		end(question, "other-bytes");
	else
		end(question, "ok");
}

static void receive(struct question *question)
{
	static uint8_t buffer[65536];
	ssize_t size = recv(question->fd, buffer, sizeof(buffer), 0);

	if (size < 0 && errno == EAGAIN)
		return;
	if (size < 0)
		end_by_error(question, errno);
	else if (question->icmp)
		receive_echo(question, buffer, (size_t)size);
	else if (question->datagram ? (size_t)size != question->size :
				      size == 0 || question->got + (size_t)size > question->size)
		end(question, "broken");
	else if (memcmp(buffer, question->bytes + question->got, (size_t)size))
		end(question, "other-bytes");
	else if ((question->got += (size_t)size) == question->size)
		end(question, "ok");
}

static void advance(struct question *question, short events)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (!question->connected && (events || question->datagram)) {
		getsockopt(question->fd, SOL_SOCKET, SO_ERROR, &error, &length);
		if (error) {
			end_by_error(question, error);
			return;
		}
		question->connected = true;
		if (!question->datagram && question->size == 0) {
			end(question, "ok");
			return;
		}
	}
	if (events & (POLLIN | POLLERR | POLLHUP))
		receive(question);
	// A datagram may be lost, like the first one to a neighbour.
	if (question->fd >= 0 && question->datagram && question->sent && now_ms() - question->asked >= again_ms)
		question->sent = 0;
	if (question->fd >= 0 && question->connected && question->sent < question->size)
		send_more(question);
}

int ask(int timeout_ms)
{
	int count = 0, open = 1;

	while (count < most && fgets(questions[count].line, sizeof(questions[count].line), stdin)) {
		struct question *question = &questions[count++];

		question->line[strcspn(question->line, "\n")] = '\0';
		question->seed = (uint32_t)getpid() * 4096 + (uint32_t)count + (uint32_t)now_ms() * 65536;
		start(question);
	}
	began = now_ms();
	while (open) {
		bool late = now_ms() - began >= timeout_ms;

		open = 0;
		for (int i = 0; i < count; i++) {
			struct question *question = &questions[i];

			if (question->fd >= 0 && late)
				end(question, "timeout");
			waits[i].fd = question->fd;
			waits[i].events = POLLIN;
			if (!question->connected || question->sent < question->size)
				waits[i].events |= POLLOUT;
			open += question->fd >= 0;
		}
		if (!open)
			break;
		poll(waits, (nfds_t)count, 20);
		for (int i = 0; i < count; i++)
			if (questions[i].fd >= 0)
				advance(&questions[i], waits[i].revents);
	}
	for (int i = 0; i < count; i++)
		printf("%s %s %lld\n", questions[i].line, questions[i].result, (long long)questions[i].took);
	return 0;
}
