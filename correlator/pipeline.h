/* pipeline.h: the threads between bytes and alerts.
 *
 *	source threads (captures, host events)  -- one ring each -->  correlator thread  -- sink -->
 *
 * A source reads, decodes and normalises on its own thread and pushes records (collector/event.h,
 * record_kind). The correlator thread takes them in any order, keeps the watermark (the least of
 * all sources') and owns all joined state. A pipeline is made, started and closed by the main
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/counter.h"
#include "correlator/correlator.h"

struct pipeline;
struct source;

/* The body of a source thread; returns when its input ends or source_stopping says so. */
typedef void source_run_fn(struct source *source, void *context);

struct source_settings {
	const char *name; /* of the thread: at most 15 bytes */
	source_run_fn *run;
	void *context;
	bool lossless;	   /* wait when the ring is full (files); else count flow_events_lost */
	bool without_time; /* not in order of time: holds the watermark back until it ends */
	size_t ring_bytes; /* 0 = takes any record; less, and what is too large is lost, counted */
};

struct pipeline_settings {
	const struct ruleset *ruleset;
	const struct fields *fields;
	struct correlator_settings correlator;
	struct correlator_sink sink;
	bool goes_on; /* another run takes over where this one stops: what waits is not settled at
			 the end */
	uint64_t shuffle_seed; /* not 0: collect all records first and hand them over in this random
				  order */
};

/* NULL with errno; the caller closes. */
struct pipeline *pipeline_open(const struct pipeline_settings *settings);

/* Before pipeline_start. False with errno. */
bool pipeline_add(struct pipeline *pipeline, const struct source_settings *settings);

bool pipeline_start(struct pipeline *pipeline);

/* Asks the sources to stop; what they have read is still processed. From any thread or a signal
 * handler. */
void pipeline_stop(struct pipeline *pipeline);

/* Waits up to `timeout_ms`. True: all sources and the correlator are done. */
bool pipeline_wait(struct pipeline *pipeline, int timeout_ms);

/* Sums the counters of all threads so far, and the bytes that sources say they have done. */
void pipeline_read(const struct pipeline *pipeline, struct counters *out_counters,
		   uint64_t *out_done_bytes, uint64_t *out_total_bytes);

/* After pipeline_wait said true: the correlator, for its reports. */
const struct correlator *pipeline_correlator(const struct pipeline *pipeline);

void pipeline_close(struct pipeline *pipeline);

/* --- for sources, on their own thread --------------------------------------------------------- */

struct counters *source_counters(struct source *source);
bool source_stopping(const struct source *source);
void source_progress(struct source *source, uint64_t done_bytes, uint64_t total_bytes);

/* Waits until every source with `without_time` has ended: packets come after the host events of a
 * replay, which may be mislabelled by hours. */
void source_await_events(struct source *source);

/* Each copies the record into the ring. */
void source_push_event(struct source *source, const struct event *event, const step_id *steps,
		       size_t step_count);

/* The same for a source that may not wait, lossless or not: false when the ring is full now. */
bool source_try_event(struct source *source, const struct event *event, const step_id *steps,
		      size_t step_count);
bool source_try_watermark(struct source *source, uint64_t time_ns);

void source_push_flow(struct source *source, const struct flow_event *flow);
void source_push_name(struct source *source, const struct wire_name *name);
void source_push_watermark(struct source *source, uint64_t time_ns);

/* Makes what was pushed visible; call once per batch. */
void source_flush(struct source *source);
