/* libFuzzer: the view service's app (fuzz_app.h), with a few servers and their incarnations. */
#include <stdio.h>

#include "fuzz_app.h"
#include "view/app.h"

static struct app *create(void)
{
	return view_app_create(&(struct view_app_hooks){0});
}

static struct wire_view_server take_server(struct slice *in)
{
	static const char *const names[] = {"a", "b", "c"};
	static const char *const addresses[] = {"a:1", "b:1", "c:1"};
	uint8_t which = input_u8(in);
	if (which % 4 == 3)
		return (struct wire_view_server){0};
	return (struct wire_view_server){.name = slice_string(names[which % 4]),
					 .address = slice_string(addresses[which % 4]),
					 .incarnation = 1u + which / 64u};
}

static void build_command(struct slice *in, struct buffer *out)
{
	struct wire_view_command command = {
		.op = (enum wire_view_op)(WIRE_VIEW_CHANGE + input_u8(in) % WIRE_VIEW_RESET)};
	command.number = input_u8(in);
	command.primary = take_server(in);
	command.backup = take_server(in);
	wire_view_command_encode(&command, out);
}

static void build_query(struct slice *in, struct buffer *out)
{
	uint8_t what = input_u8(in);
	wire_view_query_encode(
		&(struct wire_view_query){.history = what % 2 != 0, .servers = what % 4 > 1}, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_app f = {
		.create = create, .build_command = build_command, .build_query = build_query};
	fuzz_app_run(&f, slice(data, size));
	return 0;
}
