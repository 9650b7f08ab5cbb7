/* bench_events.h: host events for the benches: made ones, or those of the operator's files. */
#pragma once

#include "collector/event.h"
#include "correlator/bench.h"

/* JSON texts, one a line, each with room behind it for the parser. */
struct bench_lines {
	char *bytes;
	size_t size_bytes;
	struct bench_line {
		const char *text;
		size_t size_bytes;
	} * items;
	size_t count;
};

/* False with errno, and words when a file cannot be read. The caller closes. */
bool bench_lines_open(const struct bench *bench, struct bench_lines *out_lines);
void bench_lines_close(struct bench_lines *lines);

/* The same events parsed, one behind the other, on huge pages as rings are. Files may also be what
 * `replay --events` takes. */
struct bench_events {
	char *bytes;
	size_t size_bytes;
	size_t count;
	const struct event **items;
};

bool bench_events_open(const struct bench *bench, const struct fields *fields,
		       struct bench_events *out_events);
void bench_events_close(struct bench_events *events);
