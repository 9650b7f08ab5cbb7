/* correlator_state.h: the inside of the correlator, shared by the files that it is made of: learn.c
 * (what events teach), settle.c (what is said of flows), judge.c (whether a
 * host should have said something), held.c (what goes on to the rules).
 * Private to them. One owner thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "correlator/attribution.h"
#include "correlator/correlator.h"
#include "correlator/join.h"
#include "correlator/sequence.h"
#include "correlator/tap_health.h"
#include "correlator/aged_slots.h"

/* By time, then by an id that is the same in every run. */
struct sort_key {
	uint64_t time_ns;
	uint64_t id;
	uint32_t slot;
};
void sort_keys(struct sort_key *keys, size_t count);

/* A host event that satisfies some step, kept until nothing can change what it means. */
struct held_event {
	uint32_t event; /* in the store; CELL_NONE = a process start, kept with the process */
	uint32_t host;
	uint32_t process;
	uint32_t process_generation;
	uint32_t clock_revision; /* by which its time was last worked out (eager) */
	uint8_t source;		 /* enum clock_source */
	uint8_t role;		 /* enum event_role */
	bool said;		 /* handed on already (eager) */
	uint64_t label_ns;
	uint64_t arrived_ns; /* watermark at arrival */
	uint64_t identity;
};

/* An alert that was sent (eager): evidence that changes whose connection it was changes the match's
 * key and so its identity, but to the reader it is the same alert. */
struct sent_alert {
	uint64_t about;	   /* hash of the rule and the event that completed the match */
	uint64_t identity; /* of the match that was sent first */
	uint32_t update_count;
};

enum { SENT_ALERTS = 8192 };

struct correlator {
	struct correlator_settings settings;
	const struct ruleset *ruleset; /* NULL: no rules, flows only */
	const struct fields *fields;
	struct correlator_sink sink;
	struct counters *counters;
	struct world world;
	struct joiner *joiner;
	struct event_builder *builder; /* for sightings */
	struct sequences *sequences;
	struct sent_alert *sent; /* SENT_ALERTS, each in the place of its hash; eager only */
	struct match_scratch *scratch;
	step_id *steps; /* room for one event's */
	struct aged_slots held_slots;
	struct held_event *held;
	struct event_buffer buffer;
	struct tap_health health;
	uint64_t watermark_ns;
	uint64_t swept_ns;	  /* watermark of the last sweep */
	uint64_t bootstrapped_ns; /* and of the last bootstrap_hosts */
	bool wants_network;	  /* some rule can be satisfied by a network event */
	struct sort_key *order;	  /* scratch for sorting slots: room for the largest table */
};

/* What an event taught about itself. */
struct learned {
	uint32_t host; /* HOST_NONE: the event names no host */
	uint32_t process;
	enum clock_source source;
	uint64_t label_ns;
	uint32_t report; /* the connection it reports, or NO_SLOT */
};

/* learn.c: takes the facts out of a host event. */
void learn_event(struct correlator *correlator, const struct event *event,
		 struct learned *out_learned);

void learn_name(struct correlator *correlator, const struct wire_name *name);

/* Pairs a new flow with the reports of its conversation, for the clocks. */
void learn_flow_samples(struct correlator *correlator, uint32_t flow);

/* bootstrap.c: addresses and clocks of hosts that never report a connection. */
void bootstrap_hosts(struct correlator *correlator);

/* held.c */
void hold_event(struct correlator *correlator, const struct event *event, size_t step_count,
		const struct learned *learned);
void hold_sweep(struct correlator *correlator, uint64_t due_ns); /* says what is due, forgets it */
void hold_revise(struct correlator *correlator); /* eager: says again what the clocks have moved */
uint64_t hold_wire_ns(const struct correlator *correlator, const struct held_event *held);
uint64_t hold_earliest_pending(const struct correlator *correlator); /* wire time */

/* judge.c */
void judge_flow(const struct correlator *correlator, const struct flow_event *flow,
		const struct verdict verdicts[SIDES], struct judgement *out_judgement);
void judge_keep_books(struct correlator *correlator, const struct flow_event *flow,
		      const struct verdict verdicts[SIDES], const struct judgement *judgement);

/* settle.c: everything whose time and arrival are not after due_ns. */
void settle_sweep(struct correlator *correlator, uint64_t due_ns);
void settle_oldest_flow(struct correlator *correlator);
void settle_oldest_report(struct correlator *correlator);
uint64_t settle_earliest_pending(const struct correlator *correlator);
void settle_conversation(struct correlator *correlator, uint32_t conversation); /* eager */
void settle_revise(struct correlator *correlator);				/* eager */

/* Hands an event that may satisfy steps on to the sequences; returns whether any step was. */
bool say_event(struct correlator *correlator, const struct event *event, bool said_before);
