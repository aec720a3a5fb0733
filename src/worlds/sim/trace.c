/* A run as text, and as one number. */
#include "sim/trace.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mix.h"
#include "sim/world.h"
#include "wire/method.h"

static const char *const event_names[] = {
#define X(name, text) [SIM_EVENT_##name] = text,
	SIM_EVENT_MAP(X)
#undef X
};

static void mix(struct sim_trace *trace, uint64_t value)
{
	trace->hash = mix_u64(trace->hash + value + MIX_STEP);
}

static void line_begin(struct sim_trace *trace, enum sim_event event,
		       const struct sim_process *process)
{
	struct buffer *line = &trace->scratch;
	buffer_clear(line);
	buffer_format(line, "%llu.%06llu %s %s", (unsigned long long)(*trace->now_us / SIM_SECOND),
		      (unsigned long long)(*trace->now_us % SIM_SECOND),
		      process == NULL ? "-" : process->name, event_names[event]);
}

static void line_end(struct sim_trace *trace)
{
	buffer_add_u8(&trace->scratch, 0);
	trace->line(trace->context, (const char *)trace->scratch.data);
}

static void line_details(struct sim_trace *trace, enum sim_event event, uint64_t a, uint64_t b)
{
	struct buffer *line = &trace->scratch;
	switch (event) {
	case SIM_EVENT_SEND:
	case SIM_EVENT_DELIVER:
	case SIM_EVENT_DROP:
	case SIM_EVENT_HOLD:
	case SIM_EVENT_REFUSED:
		if (a != 0)
			buffer_format(line, " method=%s bytes=%u", method_text((uint16_t)a),
				      (unsigned)(uint32_t)b);
		break;
	case SIM_EVENT_DUPLICATE:
		buffer_format(line, " method=%s late_us=%llu", method_text((uint16_t)a),
			      (unsigned long long)b);
		break;
	case SIM_EVENT_START:
		buffer_format(line, " incarnation=%llu", (unsigned long long)a);
		break;
	case SIM_EVENT_CLOCK:
		buffer_format(line, " wall_offset_us=%lld drift_ppm=%lld", (long long)a,
			      (long long)b);
		break;
	default: break;
	}
}

/* False: nobody wants a line. */
static bool event_begin(struct sim_trace *trace, enum sim_event event,
			const struct sim_process *process, const struct sim_process *other,
			uint64_t a, uint64_t b)
{
	uint64_t who = process == NULL ? 0 : process->index + 1ull;
	uint64_t whom = other == NULL ? 0 : other->index + 1ull;
	trace->events++;
	mix(trace, *trace->now_us);
	mix(trace, (uint64_t)event << 56 | who << 28 | whom);
	mix(trace, a ^ b << 16 ^ b >> 48);
	if (trace->line == NULL)
		return false;
	line_begin(trace, event, process);
	if (other != NULL)
		buffer_format(&trace->scratch, " peer=%s", other->name);
	line_details(trace, event, a, b);
	return true;
}

void sim_trace_event(struct sim_trace *trace, enum sim_event event,
		     const struct sim_process *process, const struct sim_process *other, uint64_t a,
		     uint64_t b)
{
	if (event_begin(trace, event, process, other, a, b))
		line_end(trace);
}

void sim_trace_message(struct sim_trace *trace, enum sim_event event,
		       const struct sim_process *process, const struct sim_process *other,
		       const struct message *message, uint32_t mark)
{
	if (!event_begin(trace, event, process, other, message->method,
			 (uint64_t)mark << 32 | message->payload.len))
		return;
	sim_trace_describe(message->method, message->payload, &trace->scratch);
	line_end(trace);
}

void sim_trace_text(struct sim_trace *trace, enum sim_event event,
		    const struct sim_process *process, struct slice text)
{
	uint64_t h = (uint64_t)event << 56 | (process == NULL ? 0 : process->index + 1ull);
	for (size_t i = 0; i < text.len; i++)
		h = (h ^ text.data[i]) * 0x100000001b3ull;
	trace->events++;
	mix(trace, *trace->now_us);
	mix(trace, h);
	if (trace->line == NULL)
		return;
	line_begin(trace, event, process);
	buffer_add_u8(&trace->scratch, ' ');
	buffer_add_slice(&trace->scratch, text);
	line_end(trace);
}

void sim_trace_note(struct sim_trace *trace, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	int len = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	ASSERT(len >= 0);
	size_t kept = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
	sim_trace_text(trace, SIM_EVENT_NOTE, NULL, slice(text, kept));
}

void sim_trace_print(void *file, const char *line)
{
	fprintf(file, "%s\n", line);
}

void sim_trace_free(struct sim_trace *trace)
{
	buffer_free(&trace->scratch);
}
