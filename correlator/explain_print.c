/* Events on paper. See explain_parts.h. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "correlator/explain_parts.h"
#include "correlator/text.h"

enum { VALUE_TEXT_MAX = 2048, VALUES_SHOWN = 16 };

void explain_print_time(uint64_t unix_ns, FILE *stream)
{
	char text[TIME_TEXT_MAX];
	time_format_iso8601(unix_ns, 3, text);
	fputs(text, stream);
}

static void print_text(const struct event_text *text, FILE *stream)
{
	char safe[VALUE_TEXT_MAX];
	struct text_writer writer = { .out = safe, .room_bytes = sizeof(safe) };
	write_escaped(&writer, (struct text){ text->bytes, text->size_bytes }, TEXT_PLAIN);
	const bool cut = writer.used_bytes > writer.room_bytes;
	const struct text kept = text_cut(
		(struct text){ safe, cut ? sizeof(safe) : writer.used_bytes }, sizeof(safe));
	fprintf(stream, "%.*s%s", (int)kept.size_bytes, kept.bytes, cut ? "..." : "");
}

static void print_value(const struct event *event, const struct event_value *value, FILE *stream)
{
	const void *at = event_at(event, value);
	char address[IP_ADDRESS_TEXT_MAX];
	switch ((enum value_type)value->type) {
	case VALUE_TEXT:
		print_text(at, stream);
		return;
	case VALUE_INTEGER:
		fprintf(stream, "%" PRId64, *(const int64_t *)at);
		return;
	case VALUE_DOUBLE:
		fprintf(stream, "%.15g", *(const double *)at);
		return;
	case VALUE_BOOLEAN:
		fputs(*(const int64_t *)at ? "true" : "false", stream);
		return;
	case VALUE_ADDRESS:
		ip_address_format(at, address);
		fputs(address, stream);
		return;
	case VALUE_TIME:
		explain_print_time(*(const uint64_t *)at, stream);
		return;
	}
}

void explain_print_values(const struct event *event, uint16_t field, FILE *stream)
{
	size_t count;
	const struct event_value *values = event_find(event, field, &count);
	for (size_t i = 0; i < count && i < VALUES_SHOWN; i++) {
		fputs(i ? ", " : "", stream);
		print_value(event, &values[i], stream);
	}
	if (count > VALUES_SHOWN)
		fprintf(stream, ", and %zu more", count - VALUES_SHOWN);
}

static void print_if(const struct event *event, const char *before, uint16_t field, FILE *stream)
{
	if (!event_find(event, field, NULL))
		return;
	fputs(before, stream);
	explain_print_values(event, field, stream);
}

void explain_print_line(const struct event *event, FILE *stream)
{
	explain_print_time(event->time_ns, stream);
	print_if(event, "  ", FIELD_event_category, stream);
	print_if(event, " ", FIELD_event_type, stream);
	print_if(event, "  ", FIELD_process_name, stream);
	print_if(event, " pid=", FIELD_process_pid, stream);
	print_if(event, "  ", FIELD_source_ip, stream);
	print_if(event, ":", FIELD_source_port, stream);
	print_if(event, " -> ", FIELD_destination_ip, stream);
	print_if(event, ":", FIELD_destination_port, stream);
	print_if(event, "/", FIELD_network_transport, stream);
	print_if(event, "  ", FIELD_dns_question_name, stream);
}

bool explain_same_host(const char *wanted, const char *name, size_t name_bytes)
{
	const size_t wanted_bytes = strlen(wanted);
	if (name_bytes < wanted_bytes || strncasecmp(wanted, name, wanted_bytes) != 0)
		return false;
	return name_bytes == wanted_bytes ||
	       (name[wanted_bytes] == '.' && !memchr(wanted, '.', wanted_bytes));
}

struct clock_lines {
	const char *host;
	FILE *stream;
	size_t count;
};

static void print_clocks(void *context, const struct host_report *host)
{
	struct clock_lines *lines = context;
	if (!explain_same_host(lines->host, host->name, strlen(host->name)))
		return;
	for (size_t i = 0; i < host->clock_count; i++) {
		if (host->clocks[i].sample_count == 0)
			continue;
		fprintf(lines->stream,
			"  %s of %s is %+.3f s off the wire, +/- %.3f s, by %" PRIu64
			" connections that both saw; drift %+.1f ppm\n",
			host->clocks[i].source, host->name, (double)host->clocks[i].offset_ns / 1e9,
			(double)host->clocks[i].confidence_ns / 1e9, host->clocks[i].sample_count,
			host->clocks[i].drift_ppm);
		lines->count++;
	}
}

void explain_print_clocks(const struct correlator *correlator, const char *host, FILE *stream)
{
	struct clock_lines lines = { .host = host, .stream = stream };
	correlator_each_host(correlator, &lines, print_clocks);
	if (lines.count == 0)
		fputs("  not measured: no connection was both reported by this host and seen on "
		      "the "
		      "wire\n",
		      stream);
}
