/* output.h: alerts to where people look: every destination gets every alert, in order, at least
 * once.
 *
 * A destination is a URL: stdout:, file:PATH, syslog+udp://HOST:PORT, syslog+tcp://, syslog+tls://,
 * unix:PATH, each with ?format=ecs|rfc5424|cef|leef|eve. Sinks are rows of sinks.def, formats rows
 * of formats.def. An output is a thread of its own behind a ring, so that a slow SIEM never holds
 * up the correlator, nor another destination.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/complaint.h"
#include "collector/base/counter.h"
#include "correlator/alert.h"

struct output;

struct output_settings {
	const char *const *urls; /* at least one */
	size_t url_count;
	const char *host_name;	/* HOSTNAME of syslog messages and observer.name; NULL = this
				   machine's */
	const char *spool_path; /* directory for alerts that cannot be delivered now; NULL = none */
	int fixed_process_id; /* PROCID in syslog; 0 = getpid(): replay sets one, because replay is
				 exact */
	uint64_t give_up_ns;  /* at close: how long to go on trying; 0 = default 5 s */
};

/* Parses the URLs, opens every destination, starts the thread. False and a complaint. `fields` must
 * outlive it. */
bool output_open(const struct output_settings *settings, const struct fields *fields,
		 struct complaint *complaint, struct output **out_output);

/* Hands an alert over; copies it. Waits when the output is behind (replay), or spools. Correlator
 * thread only. */
void output_alert(struct output *output, const struct alert *alert);

/* Delivers what is left, stops the thread, adds its counters to `counters`, frees. False: something
 * could not be delivered nor spooled (exit code 8). */
bool output_close(struct output *output, struct counters *counters);

/* One event as nested ECS JSON text into `out`, NUL-terminated, as jansson formats it (keys in
 * field order). Returns the length; >= size_bytes means cut. Used by formats, `eql`, `--flows` and
 * tests.
 */
size_t event_format_json(const struct event *event, const struct fields *fields, char *out,
			 size_t size_bytes);
