// SPDX-License-Identifier: Apache-2.0
//
// What the three halves of the probe share. It is linked statically and runs in
// images that hold nothing else.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Messages of a load, and the largest of a question.
enum {
	message_size = 32,
	largest = 65000
};

int serve(uint16_t port);
int ask(int timeout_ms);
int load(const char *file, uint16_t port, int held, int rate, char **addresses, int count);

int64_t now_ms(void);
_Noreturn void fail(const char *what);
// A socket that does not block.
int make_socket(int family, int type);
// False if the text is no address.
bool parse_address(const char *text, uint16_t port, struct sockaddr_storage *address, socklen_t *length);
long parse_number(const char *text, long low, long high, const char *what);
// Bytes that are others for another seed, so that an echo can't be somebody else's.
void fill(uint8_t *bytes, size_t size, uint32_t seed);
