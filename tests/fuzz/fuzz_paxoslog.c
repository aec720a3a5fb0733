/* libFuzzer: the log's app (fuzz_app.h), with small values. */
#include "fuzz_app.h"
#include "paxoslog/app.h"

static struct app *create(void)
{
	return paxoslog_app_create(
		&(struct paxoslog_settings){.bytes_max = 1000, .value_bytes_max = 100});
}

static void build_command(struct slice *in, struct buffer *out)
{
	struct slice values[8];
	struct wire_log_command command = {.values = values};
	if (input_u8(in) % 4 == 0) {
		command.trim = input_u8(in);
	} else {
		command.nvalues = input_u8(in) % 8;
		command.at = input_u8(in) % 16 == 15 ? input_u8(in) : 0;
		for (uint32_t i = 0; i < command.nvalues; i++)
			values[i] = input_bytes(in, input_u8(in));
	}
	wire_log_command_encode(&command, out);
}

static void build_query(struct slice *in, struct buffer *out)
{
	struct wire_log_query query = {.from = input_u8(in)};
	query.limit = input_u8(in) % 16;
	wire_log_query_encode(&query, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_app f = {
		.create = create, .build_command = build_command, .build_query = build_query};
	fuzz_app_run(&f, slice(data, size));
	return 0;
}
