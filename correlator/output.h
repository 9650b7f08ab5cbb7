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
	uint64_t give_up_ns;  /* how long to wait for a receiver that takes nothing, before alerts
				 for it are lost (no spool) or left in the spool; 0 = 5 s */
	uint64_t spool_max_bytes; /* per destination; 0 = default 256 MB */
	bool spool_unsynced;	  /* leave it to the kernel when spooled alerts reach the disk */
};

/* `fields` gets to know what alerts show besides what rules read: who, where, what file, what key
 * (call before threads start). */
void output_want_fields(struct fields *fields);

/* Parses the URLs, opens every destination, starts the thread. False and a complaint. `fields` must
 * outlive it. */
bool output_open(const struct output_settings *settings, const struct fields *fields,
		 struct complaint *complaint, struct output **out_output);

/* Hands an alert over; copies it. Waits when the output thread is behind. Correlator thread only.
 *
 * Who counts what: the caller adds one alerts_raised per call (updates included, which it adds to
 * alerts_updated besides). Each call ends in exactly one of alerts_delivered (every destination
 * took it), alerts_spooled (kept on disk for some destination when the output was closed) and
 * alerts_lost_output (some destination neither took it nor has it spooled). */
void output_alert(struct output *output, const struct alert *alert);

/* The output thread's counters, to be read while it runs. */
const struct counters *output_counters(const struct output *output);

/* Delivers what is left, stops the thread, adds its counters to `counters`, frees. False: something
 * could not be delivered nor spooled (exit code 8). A no-op on NULL. */
bool output_close(struct output *output, struct counters *counters);

/* Sends one marked message of harmless content to a destination and waits for it to be taken.
 * 0 or -errno, and a complaint that says what failed. Blocks for at most five seconds. */
int output_probe(const char *url, struct complaint *complaint);

/* One event as nested ECS JSON text into `out`, NUL-terminated, as jansson formats it (keys in
 * field order). Returns the length; >= size_bytes means cut. Used by formats, `eql`, `--flows` and
 * tests.
 */
size_t event_format_json(const struct event *event, const struct fields *fields, char *out,
			 size_t size_bytes);
