/* model_sequence.h: EQL sequences and samples as the semantics say it, with no state at all: the
 * whole history is sorted and gone through from the start, per rule and key, every time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/event.h"
#include "rules/rule.h"

enum { MODEL_STAGES_MAX = 8, MODEL_EVENTS_MAX = 64, MODEL_MATCHES_MAX = 4096, MODEL_KEYS_MAX = 3 };

/* An event and the steps that it satisfies, as bits. */
struct model_event {
	const struct event *event;
	uint64_t steps;
};

struct model_key {
	const struct event_value *values[MODEL_KEYS_MAX]; /* NULL = null */
	const struct event *event;			  /* whose values they are */
};

struct model_match {
	const struct rule *rule;
	const struct event *events[MODEL_STAGES_MAX]; /* NULL = missing */
	const struct event *last;
	struct model_key key;
	uint64_t final_ns;
	size_t ordinal;
};

struct model_result {
	size_t count;
	struct model_match matches[MODEL_MATCHES_MAX];
};

/* All matches of one rule over the events (any order, no duplicates), appended to `result`. */
void model_sequence_run(const struct rule *rule, const struct model_event *events, size_t count,
			uint64_t horizon_ns, size_t samples_per_key, struct model_result *result);

/* into the order of (final, last event, rule, key). */
void model_sequence_sort(struct model_result *result);
