/* sequence_inside.h: how the sequence code keeps its state. Only for correlator/sequence*.c.
 *
 *	event (event_store)      an event that satisfied some step
 *	  part                   what it is to one (rule, key): a word of terms, a place in order
 *	group                    the (rule, key): its parts in order, its partial matches
 *	  partial                events matched so far: its last part, and the partial before it
 *	  match                  a completed partial, until nothing can change it any more
 *
 * A group's parts are ordered by (time, tiebreaker, identity) and fall in two:
 *
 *	folded ... | first_unfolded  ....  part  ....  part  ....  last
 *	   base ---^                    state ^     state ^       state ^
 *
 * The folded ones are older than the watermark: nothing can come between them. `base` are the
 * partial matches after them. The last part, and every few parts on the way, know the partial
 * matches after themselves. So an event that comes last takes one step. One that comes late, is
 * revised or goes makes the machine run again from the state before it, and only until a state is
 * what it was before: from there on nothing has changed. What each part completed before is
 * compared with what it completes now.
 *
 * A folded part leaves the order at once, unless it may count as an event that must be missing; it
 * lives on while a partial needs it. A group lives as long as its parts.
 *
 * Records are numbered and refer to each other by number. All arrays are fixed.
 */
#pragma once

#include "collector/base/table.h"
#include "collector/base/timer.h"
#include "correlator/event_store.h"
#include "correlator/join_key.h"
#include "correlator/sequence.h"
#include "correlator/sequence_plan.h"
#include "correlator/slots.h"

enum { PARTIALS_SPARE = 64 }; /* free before an event is added: a step takes few */

struct part {
	uint64_t time_ns;
	uint64_t terms; /* which terms of the rule it satisfies */
	uint32_t event;
	uint32_t group;
	uint32_t previous; /* in the group's order */
	uint32_t next;
	uint32_t next_of_event;
	uint32_t use_count;   /* partials that end in it */
	uint32_t first_match; /* what it completed: at most one, but of samples */
	uint32_t state;	      /* the partials after it, when it is stateful */
	uint16_t distance;    /* in parts, from the stateful one before it, when it is the last */
	bool stateful;
	bool linked; /* in the group's order */
	bool folded;
	bool forgotten; /* to make room: matches that hold it stay as they are */
	bool kept;	/* seen again in the revision that is being applied */
};

struct partial {
	uint64_t first_ns;    /* time of its first event */
	uint64_t fingerprint; /* of its events and their revisions */
	uint32_t part;
	uint32_t before; /* the partial that it grew from */
	uint32_t next;	 /* in its state, descending by stage */
	uint32_t use_count;
	uint16_t stage; /* which positive stage `part` is */
};

struct match {
	uint64_t identity;
	uint64_t fingerprint; /* of its events and their revisions */
	uint64_t final_ns;    /* nothing can change it once the watermark is later */
	uint32_t events;      /* the partial */
	uint32_t part;	      /* that it belongs to */
	uint32_t last_part;   /* the latest of its events */
	uint32_t next;	      /* of the same part */
	uint32_t ordinal;     /* of samples: the how manyth of the same part */
	uint32_t heap_at;     /* SLOT_NONE = handed over */
};

struct group {
	struct join_key key;
	uint64_t visit_ns; /* when its timer is set; UINT64_MAX = it is not */
	uint32_t rule;
	uint32_t hold_count; /* parts, and who works on it */
	uint32_t linked_count;
	uint32_t first;
	uint32_t last;
	uint32_t first_unfolded;
	uint32_t base;
};

struct sequences {
	struct sequence_plan *plan;
	struct sequence_settings settings;
	sequence_match_fn *found;
	void *context;
	struct counters *counters;
	uint64_t watermark_ns;

	struct event_store *events;
	struct slots part_slots;
	struct slots partial_slots;
	struct slots match_slots;
	struct slots group_slots;
	struct part *parts;
	struct partial *partials;
	struct match *matches;
	struct group *groups;
	struct table *groups_by_key;
	struct timer_wheel *visits; /* one timer per group */

	uint32_t *heap; /* matches that wait, the next one to hand over first */
	uint32_t heap_count;

	struct plan_use *touched; /* scratch: what the event being added means */
	uint64_t *evicted_counts; /* per rule */
};

static inline const struct plan_rule *group_rule(const struct sequences *sequences,
						 const struct group *group)
{
	return sequence_plan_rule(sequences->plan, group->rule);
}

static inline const struct event *part_event(const struct sequences *sequences, uint32_t part)
{
	return event_store_event(sequences->events, sequences->parts[part].event);
}

/* --- sequence_state.c: parts, partials and the machine ---------------------------------------- */

/* Order of events: (time, tiebreaker with none last, identity). */
bool part_before(const struct sequences *sequences, uint32_t left, uint32_t right);

/* A part of `event` in `group`, not in its order yet. SLOT_NONE: no room. */
uint32_t part_make(struct sequences *sequences, uint32_t event, uint32_t group, uint64_t terms);
void part_link(struct sequences *sequences, uint32_t part); /* into its group's order */
void part_unlink(struct sequences *sequences, uint32_t part);
void part_fold(struct sequences *sequences, uint32_t part);

/* Frees it, and its group and its event with it, once nothing refers to it. */
void part_free_if_unused(struct sequences *sequences, uint32_t part);

/* The partial that `before` (which is taken; SLOT_NONE = none) becomes with one more part.
 * SLOT_NONE: no room. */
uint32_t partial_grow(struct sequences *sequences, uint32_t before, uint32_t part, uint16_t stage);
void partial_release(struct sequences *sequences, uint32_t partial);
bool partial_holds(const struct sequences *sequences, uint32_t partial, uint32_t part);

/* One event through the state machine: *state is the list of partials of `part`'s group. Returns
 * the partial that became complete, for the caller to release, or SLOT_NONE. */
uint32_t state_step(struct sequences *sequences, uint32_t *state, uint32_t part);
void state_clear(struct sequences *sequences, uint32_t *state);
void state_copy(struct sequences *sequences, uint32_t from, uint32_t *to);
bool state_equal(const struct sequences *sequences, uint32_t left, uint32_t right);

/* --- sequence_group.c ------------------------------------------------------------------------- */

/* The group of this rule and key, made when it is not there. SLOT_NONE: no room. */
uint32_t group_find(struct sequences *sequences, uint32_t rule, const struct join_key *key,
		    bool make);

/* A group lives as long as its parts, and while it is held. */
void group_hold(struct sequences *sequences, uint32_t group);
void group_release(struct sequences *sequences, uint32_t group);
bool group_key_equal(const void *records, uint32_t slot, const void *key);

/* Runs the machine again from the part `from` to behind the part `through`, and on until nothing
 * changes any more. */
void group_rerun(struct sequences *sequences, uint32_t group, uint32_t from, uint32_t through);

/* Folds what is older than `before_ns`, or all up to and with `through` (SLOT_NONE = by time). */
void group_fold(struct sequences *sequences, uint32_t group, uint64_t before_ns, uint32_t through);

/* When its timer fires: folds, drops what is too old to count, sets the timer anew. */
void group_visit(struct sequences *sequences, uint32_t group);
void group_wants_visit(struct sequences *sequences, uint32_t group, uint64_t at_ns);

/* Something was lost for want of room. */
void sequences_lose(struct sequences *sequences, uint32_t rule);

/* --- sequence_match.c: completed matches, from new to handed over ----------------------------- */

/* `part` completes `events` now (taken; SLOT_NONE = nothing): makes, changes or withdraws its
 * `ordinal`th match accordingly. */
void match_update(struct sequences *sequences, uint32_t part, uint32_t ordinal, uint32_t events);

/* Withdraws the matches of a part from the `ordinal`th on. */
void matches_withdraw(struct sequences *sequences, uint32_t part, uint32_t ordinal);

/* The part is final: forgets those of its matches that were handed over. */
void matches_forget_settled(struct sequences *sequences, uint32_t part);

/* The part is about to become another: forgets those of its matches that nobody has
 * been told of. */
void matches_drop_waiting(struct sequences *sequences, uint32_t part);

/* Equal in every run: what an alert's id is made of. */
uint64_t match_identity(const struct plan_rule *rule, const struct join_key *key,
			uint64_t event_identity, uint32_t ordinal);

/* The part is to be forgotten: hands over those of its matches that wait for nothing but order. */
void matches_flush(struct sequences *sequences, uint32_t part);

/* Hands over every waiting match that the watermark has passed. */
void matches_settle(struct sequences *sequences);

/* --- sequence_sample.c ------------------------------------------------------------------------ */

/* How many events may wait in one group, whose whole window is looked at for each new one. The
 * latest ones are given up, because samples are taken from the first. */
enum { SAMPLE_EVENTS_MAX = 4096 };

void sample_rerun(struct sequences *sequences, uint32_t group);
void sample_visit(struct sequences *sequences, uint32_t group);
