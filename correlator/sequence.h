/* sequence.h: the state of every rule: which events that satisfied a step may still become an
 * alert.
 *
 * Per rule and join key it keeps the few events that satisfied some step, ordered by (time,
 * tiebreaker, identity). A late event is put where it belongs and the state machine
 * (sequence_state.c) runs again from there; each distinct match is handed over once.
 * So the matches are a function of the set of events.
 *
 * Owned by the correlator thread. Memory is fixed at open; a full store forgets its oldest events
 * and counts.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/base/counter.h"
#include "collector/base/hash.h"
#include "correlator/join_key.h"
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
	uint64_t identity; /* of (rule, key, last event; of a sample the first event of its window):
			      equal in every run */
	size_t event_count;
	const struct event *const
		*events; /* stage order, NULL for a missing event; valid during the call */
	struct join_key key;
	uint16_t key_stage; /* a stage whose event has the key */
};

/* The values of a match's join keys, in the order of the rule's keys, NULL for null; they belong to
 * *out_event. Returns how many there are. `out_values` has room for RULE_KEYS_MAX. */
size_t sequence_match_keys(const struct sequence_match *match, const struct event **out_event,
			   const struct event_value **out_values);

typedef void sequence_match_fn(void *context, enum match_change change,
			       const struct sequence_match *match);

struct sequence_settings {
	/* How late an event may be. A sequence without maxspan, and a sample, may take as long as
	 * this or as its rule looks back (`from`), whichever is longer. 0 = for ever. */
	uint64_t horizon_ns;
	size_t store_bytes; /* 0 = default */
	uint32_t max_keys;  /* pending (rule, key) pairs, 0 = default */
	/* Hand matches over only when nothing can change them any more, ordered by (the time when
	 * that is, last event, rule, key): replay. Otherwise a match is handed over at once, but
	 * one with missing events, which must wait. */
	int settle;
	uint32_t samples_per_key; /* of RULE_SAMPLE, in one window; 0 = 1 */
	struct hash_seed seed;	  /* of tables; no result depends on it */
};

/* NULL with errno; the caller closes. */
struct sequences *sequences_open(const struct ruleset *ruleset,
				 const struct sequence_settings *settings, sequence_match_fn *found,
				 void *context, struct counters *counters);
void sequences_close(struct sequences *sequences);

/* The same for rules that are in no ruleset; they must outlive it. */
struct sequences *sequences_open_rules(const struct rule *const *rules, size_t rule_count,
				       const struct sequence_settings *settings,
				       sequence_match_fn *found, void *context,
				       struct counters *counters);

/* An event that satisfied these steps. Adding the same identity again replaces the earlier copy
 * (its attribution was revised); with no steps, forgets it: as if the earlier one had never been.
 * One older than the watermark is counted and not used, but by rules of one step. */
void sequences_add(struct sequences *sequences, const struct event *event, const step_id *steps,
		   size_t step_count);

/* How many pending events of this rule were forgotten for want of room. */
uint64_t sequences_evicted_count(const struct sequences *sequences, uint32_t rule);

/* No event older than this will come any more: missing events are decided, expired state is
 * dropped. */
void sequences_advance(struct sequences *sequences, uint64_t watermark_ns);

/* advance to the end of time. */
void sequences_finish(struct sequences *sequences);

size_t sequences_bytes(const struct sequences *sequences);
