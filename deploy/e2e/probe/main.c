// SPDX-License-Identifier: Apache-2.0
//
// Servers and clients that say in numbers what a network did.
//
// usage: probe serve PORT                                   echoes TCP and UDP, both families
//        probe ask TIMEOUT-MS                               asks all lines of its input at once
//        probe load FILE PORT HELD PER-SECOND ADDRESS...    holds connections and opens more, counted in FILE
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

int64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

_Noreturn void fail(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

int make_socket(int family, int type)
{
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	return fd;
}

bool parse_address(const char *text, uint16_t port, struct sockaddr_storage *address, socklen_t *length)
{
	struct sockaddr_in *four = (struct sockaddr_in *)address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons(port);
		*length = sizeof(*four);
		return true;
	}
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(port);
	*length = sizeof(*six);
	return inet_pton(AF_INET6, text, &six->sin6_addr) == 1;
}

long parse_number(const char *text, long low, long high, const char *what)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || number < low || number > high) {
		fprintf(stderr, "probe: %s: %s is not a number from %ld to %ld\n", what, text, low, high);
		exit(2);
	}
	return number;
}

void fill(uint8_t *bytes, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(seed >> 24);
	}
}

static int usage(void)
{
	fprintf(stderr, "usage: probe serve PORT | ask TIMEOUT-MS | load FILE PORT HELD PER-SECOND ADDRESS...\n");
	return 2;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve((uint16_t)parse_number(argv[2], 1, 65535, "PORT"));
	if (argc == 3 && !strcmp(argv[1], "ask"))
		return ask((int)parse_number(argv[2], 1, 600000, "TIMEOUT-MS"));
	if (argc >= 7 && !strcmp(argv[1], "load"))
		return load(argv[2], (uint16_t)parse_number(argv[3], 1, 65535, "PORT"),
			    (int)parse_number(argv[4], 0, 1000, "HELD"),
			    (int)parse_number(argv[5], 0, 1000, "PER-SECOND"), argv + 6, argc - 6);
	return usage();
}
