/* explain_parts.h: what the parts of `procspan explain` share. Only for correlator/explain_*.c.
 *
 *	explain.c         runs the replay and asks one of the two
 *	explain_alert.c   why: an alert and every fact that led to it
 *	explain_miss.c    why not: what came nearest to an alert of a rule on a host
 *	explain_chain.c   the nearest miss among the events of a host
 *	explain_print.c   events on paper
 *
 * The `take` functions are called on the correlator's thread, the others when it has ended.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "correlator/explain.h"
#include "correlator/replay_engine.h"

/* --- printing ----------------------------------------------------------------------------------
 */

void explain_print_time(uint64_t unix_ns, FILE *stream);

/* All values of a field, made safe for a terminal. */
void explain_print_values(const struct event *event, uint16_t field, FILE *stream);

/* An event on one line: its time, what it is, its process and connection. */
void explain_print_line(const struct event *event, FILE *stream);

/* Is this the host, by its full name or by the part before the first dot? */
bool explain_same_host(const char *wanted, const char *name, size_t name_bytes);

/* "sysmon clock +1.720 s ..." for every event source of the host. */
void explain_print_clocks(const struct correlator *correlator, const char *host, FILE *stream);

/* --- why ---------------------------------------------------------------------------------------
 */

struct alert_search {
	const char *id;
	void *block; /* alert_pack; malloc'ed; NULL: not found */
	bool out_of_memory;
};

void alert_search_take(void *context, const struct alert *alert);
void alert_search_release(struct alert_search *search);
void explain_alert(const struct replay_engine *engine, const struct alert_search *search,
		   FILE *out);

/* --- why not -----------------------------------------------------------------------------------
 */

/* An event of the host, as rules see it. */
struct witness {
	struct event *event;
	step_id *steps;
	size_t step_count;
};

struct found_alert {
	char id[ALERT_ID_TEXT_MAX];
	uint64_t events[RULE_STAGES_MAX]; /* identities */
	size_t event_count;
};

enum {
	WITNESSES_MAX = 1 << 20,
	FOUND_ALERTS_MAX = 256,
};

#define WITNESS_BYTES_MAX ((size_t)1 << 30)

struct miss_search {
	const struct explain_arguments *arguments;
	const struct rule *rule;
	struct witness *witnesses; /* sorted by time before they are searched */
	size_t witness_count;
	size_t witness_room;
	size_t witness_bytes;
	uint64_t left_out_count; /* beyond the limits */
	struct found_alert *alerts;
	size_t alert_count;
	uint64_t more_alert_count;
};

void miss_search_take_event(void *context, const struct event *event, const step_id *steps,
			    size_t step_count);
void miss_search_take_alert(void *context, const struct alert *alert);
void miss_search_release(struct miss_search *search);
void explain_miss(const struct replay_engine *engine, struct miss_search *search, FILE *out);

bool witness_satisfies(const struct witness *witness, step_id step);
bool witness_is_of_process(const struct witness *witness, const char *process); /* NULL: any */
bool witness_has_category(const struct witness *witness, const char *category); /* NULL: any */

struct explainer;

/* Why a rule's next stage found nothing; the better known, the later. */
enum chain_end {
	CHAIN_NO_DATA,	  /* no event of the stage's category has the key */
	CHAIN_CONDITIONS, /* `near` misses conditions */
	CHAIN_FORBIDDEN,  /* `near` is what `![...]` or `until` excludes */
	CHAIN_EARLY,	  /* `near` satisfies it, but came before, by `apart_ns` */
	CHAIN_LATE,	  /* `near` satisfies it, but after maxspan, by `apart_ns` */
	CHAIN_COMPLETE,	  /* but no alert of its own: another one has its events */
};

struct chain {
	const struct witness *witnesses[RULE_STAGES_MAX]; /* NULL: of a missing event */
	size_t length;					  /* stages that are passed */
	size_t stage;					  /* the one that `end` is about */
	enum chain_end end;
	const struct witness *near; /* or NULL */
	size_t miss_count;	    /* conditions that `near` misses */
	uint64_t apart_ns;
	bool cut; /* there were too many events to follow every first one */
};

/* The chain that gets furthest; those of alerts, which got all the way, left out. False: there is
 * nothing to say, not even an event of the first step's category. */
bool chain_find_nearest(const struct miss_search *search, struct explainer *explainer,
			struct chain *out_chain);
