/* sequence.h: the state of every rule: which events that satisfied a step may still become an
 * alert.
 *
 * Per rule and join key it keeps the few events that satisfied some step, ordered by (time,
 * tiebreaker, identity). A late event is put where it belongs and the state machine (docs/eql.md;
 * SEMANTICS of Elasticsearch's EQL) runs again from there; each distinct match is handed over once.
 * So the matches are a function of the set of events.
 *
 * Owned by the correlator thread. Memory is fixed at open; a full store forgets its oldest events
 * and counts.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/base/counter.h"
#include "rules/ruleset.h"

struct sequences;

enum match_change {
	MATCH_NEW,
	MATCH_CHANGED,	 /* late evidence changed the events of a match handed over earlier (same
			    identity) */
	MATCH_WITHDRAWN, /* late evidence says that it was none; only for the books: an alert is not
			    unsent */
};

struct sequence_match {
	const struct rule *rule;
	uint64_t identity; /* of (rule, key, completing event): equal in every run */
	size_t event_count;
	const struct event *const
		*events; /* stage order, NULL for a missing event; valid during the call */
};

typedef void sequence_match_fn(void *context, enum match_change change,
			       const struct sequence_match *match);

struct sequence_settings {
	uint64_t horizon_ns; /* how late an event may be; also how long a sequence without maxspan
				waits. 0 = for ever */
	size_t store_bytes;  /* 0 = default */
	uint32_t max_keys;   /* pending (rule, key) pairs, 0 = default */
	int settle; /* hand matches over only when the watermark has passed them, in order: replay
		     */
};

/* NULL with errno; the caller closes. */
struct sequences *sequences_open(const struct ruleset *ruleset,
				 const struct sequence_settings *settings, sequence_match_fn *found,
				 void *context, struct counters *counters);
void sequences_close(struct sequences *sequences);

/* An event that satisfied these steps. Adding the same identity again replaces the earlier copy
 * (its attribution was revised); with no steps, forgets it. */
void sequences_add(struct sequences *sequences, const struct event *event, const step_id *steps,
		   size_t step_count);

/* No event older than this will come any more: missing events are decided, expired state is
 * dropped. */
void sequences_advance(struct sequences *sequences, uint64_t watermark_ns);

/* advance to the end of time. */
void sequences_finish(struct sequences *sequences);

size_t sequences_bytes(const struct sequences *sequences);
