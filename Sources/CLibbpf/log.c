// SPDX-License-Identifier: Apache-2.0
#include "clibbpf.h"
#include <stdio.h>
#include <stdlib.h>

static _Thread_local clibbpf_log_fn thread_receiver;
static _Thread_local void *thread_context;

static int on_print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char small[512];
	char *message = small;
	va_list again;
	int length;

	if (!thread_receiver || level != LIBBPF_WARN)
		return 0;
	va_copy(again, arguments);
	length = vsnprintf(small, sizeof(small), format, arguments);
	if (length >= (int)sizeof(small)) {
		message = malloc((size_t)length + 1);
		if (message) {
			vsnprintf(message, (size_t)length + 1, format, again);
		} else {
			message = small;
			length = sizeof(small) - 1;
		}
	}
	va_end(again);
	if (length > 0)
		thread_receiver(thread_context, message, (size_t)length);
	if (message != small)
		free(message);
	return 0;
}

__attribute__((constructor)) static void install(void)
{
	libbpf_set_print(on_print);
}

void clibbpf_set_log(clibbpf_log_fn receiver, void *context)
{
	thread_context = context;
	thread_receiver = receiver;
}
