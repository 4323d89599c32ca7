// SPDX-License-Identifier: Apache-2.0
//
// Traffic that is counted. Some connections are held: each sends a message, waits
// for it to come back, and sends the next one a twentieth of a second after the
// last; one that breaks is not opened again. Others are opened at a steady pace,
// for one message each. What became of them is a line in a file, written anew
// ten times a second:
//
//   held N broken N silent N echoed N longest MS opened N failed N
//
// silent are those of the held that have waited for more than a second and a
// half now, longest is the longest that one waited for an answer so far, failed
// those of the opened that had none after five seconds.
#include "probe.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	pause_ms = 50,
	silent_ms = 1500,
	patience_ms = 5000,
	status_ms = 100,
	most = 8192
};

struct connection {
	int fd; // -1: none
	bool held;
	bool waits; // for the rest of an answer, or to be connected
	size_t got;
	uint32_t seed;
	int64_t asked, answered;
};

static struct connection connections[most];
static struct pollfd waits[most];
static int used;
static long counts_held, counts_broken, counts_echoed, counts_longest, counts_opened, counts_failed;
static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void drop(struct connection *connection, bool failed)
{
	close(connection->fd);
	connection->fd = -1;
	if (connection->held)
		counts_broken++;
	else if (failed)
		counts_failed++;
}

static void open_one(const char *text, uint16_t port, bool held)
{
	struct sockaddr_storage address;
	struct connection *connection = connections;
	socklen_t length;

	while (connection < connections + used && connection->fd >= 0)
		connection++;
	if (connection == connections + most) {
		counts_failed++;
		return;
	}
	if (connection == connections + used)
		used++;
	if (!parse_address(text, port, &address, &length)) {
		fprintf(stderr, "probe: %s is not an address\n", text);
		exit(2);
	}
	memset(connection, 0, sizeof(*connection));
	connection->fd = make_socket(address.ss_family, SOCK_STREAM);
	connection->held = held;
	connection->seed = (uint32_t)now_ms();
	connection->asked = now_ms();
	if (held)
		counts_held++;
	else
		counts_opened++;
	if (connect(connection->fd, (struct sockaddr *)&address, length) && errno != EINPROGRESS)
		drop(connection, true);
}

static void question(struct connection *connection)
{
	uint8_t bytes[message_size];

	fill(bytes, sizeof(bytes), ++connection->seed);
	connection->asked = now_ms();
	connection->got = 0;
	// There is always room for so little, unless it is broken.
	connection->waits = send(connection->fd, bytes, sizeof(bytes), 0) == sizeof(bytes);
	if (!connection->waits)
		drop(connection, true);
}

static void answer(struct connection *connection)
{
	uint8_t bytes[message_size], expected[message_size];
	ssize_t size = recv(connection->fd, bytes, sizeof(bytes) - connection->got, 0);
	int64_t now = now_ms();

	if (size < 0 && errno == EAGAIN)
		return;
	fill(expected, sizeof(expected), connection->seed);
	if (size <= 0 || memcmp(bytes, expected + connection->got, (size_t)size)) {
		drop(connection, true);
		return;
	}
	connection->got += (size_t)size;
	if (connection->got < message_size)
		return;
	connection->waits = false;
	connection->answered = now;
	if (!connection->held) {
		drop(connection, false);
		return;
	}
	counts_echoed++;
	if (now - connection->asked > counts_longest)
		counts_longest = now - connection->asked;
}

static void advance(struct connection *connection, short events)
{
	bool connected = connection->seed && connection->waits;
	int64_t now = now_ms();

	if (connection->waits && events & (POLLIN | POLLERR | POLLHUP)) {
		answer(connection);
	} else if (!connected && connection->answered == 0 && events & (POLLOUT | POLLERR | POLLHUP)) {
		question(connection); // which is the first, and finds out whether it is connected
	} else if (!connection->waits && connection->answered) {
		if (events & (POLLERR | POLLHUP | POLLIN)) // nothing was asked
			drop(connection, true);
		else if (now - connection->answered >= pause_ms)
			question(connection);
	}
	if (connection->fd >= 0 && !connection->held && now - connection->asked >= patience_ms)
		drop(connection, true);
}

static void write_status(const char *file)
{
	char other[4096];
	int64_t now = now_ms();
	long silent = 0;
	FILE *out;

	for (struct connection *connection = connections; connection < connections + used; connection++)
		silent += connection->fd >= 0 && connection->held && !(connection->answered && !connection->waits) &&
			  now - connection->asked > silent_ms;
	snprintf(other, sizeof(other), "%s.new", file);
	out = fopen(other, "w");
	if (!out)
		fail(other);
	fprintf(out, "held %ld broken %ld silent %ld echoed %ld longest %ld opened %ld failed %ld\n", counts_held,
		counts_broken, silent, counts_echoed, counts_longest, counts_opened, counts_failed);
	if (fclose(out) || rename(other, file))
		fail(file);
}

int load(const char *file, uint16_t port, int held, int rate, char **addresses, int count)
{
	int64_t began = now_ms(), told = 0;
	int64_t opened = 0;

	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	for (int i = 0; i < held * count; i++)
		open_one(addresses[i % count], port, true);
	while (!stopped) {
		int64_t now = now_ms();

		for (; rate && opened * 1000 <= (now - began) * rate; opened++)
			open_one(addresses[opened % count], port, false);
		for (int i = 0; i < used; i++) {
			struct connection *connection = &connections[i];

			waits[i].fd = connection->fd;
			waits[i].events = POLLIN;
			if (!connection->waits && !connection->answered)
				waits[i].events |= POLLOUT;
			waits[i].revents = 0;
		}
		poll(waits, (nfds_t)used, 10);
		for (int i = 0; i < used; i++)
			if (connections[i].fd >= 0)
				advance(&connections[i], waits[i].revents);
		if (now - told >= status_ms) {
			write_status(file);
			told = now;
		}
	}
	write_status(file);
	return 0;
}
