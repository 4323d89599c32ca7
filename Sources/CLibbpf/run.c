// SPDX-License-Identifier: Apache-2.0
#include "clibbpf.h"

int clibbpf_run(int prog_fd, struct clibbpf_run *run)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = run->data_in, .data_size_in = run->data_in_size,
		    .data_out = run->data_out, .data_size_out = run->data_out ? run->data_out_size : 0,
		    .ctx_in = run->context, .ctx_size_in = run->context ? run->context_size : 0,
		    .ctx_out = run->context, .ctx_size_out = run->context ? run->context_size : 0,
		    .repeat = (int)run->repeat, .flags = run->flags, .batch_size = run->batch_size);
	int error = bpf_prog_test_run_opts(prog_fd, &options);

	run->data_out_size = options.data_size_out;
	run->verdict = options.retval;
	run->nanoseconds = options.duration;
	return error;
}
