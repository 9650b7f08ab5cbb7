/* join.h: one ECS network event out of everything known of one end of a connection: the flow as
 * the wire saw it, what the host reported, the process that owns it, and how that was found out. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "correlator/attribution.h"

struct joiner;

/* What is thought of a flow that nobody may own. */
struct judgement {
	enum flow_status status;
	double expected_report; /* of an unreported one: see baseline_expected */
};

/* Fields of `fields` are sorted out once; it must be complete and outlive the joiner. NULL with
 * errno; the caller closes. */
struct joiner *joiner_open(const struct fields *fields, struct counters *counters);
void joiner_close(struct joiner *joiner);

/* What is to be joined. */
struct joint {
	const struct world *world;
	const struct flow_event *flow; /* NULL: never on the wire; then verdict has reports */
	enum flow_side side;	       /* the end it is about */
	const struct verdict *verdict;
	const struct judgement *judgement; /* of the flow, or NULL */
	uint64_t identity;		   /* what it was said under before; 0 = not yet */
};

/* The joined event, one per side at a time: valid until the next call for the same side. */
const struct event *join_network_event(struct joiner *joiner, const struct joint *joint);

/* The start of a process, out of every source that reported it; NULL when no start was seen. Valid
 * until the next join_process_start or join_host_event. */
const struct event *join_process_start(struct joiner *joiner, const struct world *world,
				       uint32_t process);

/* A host event on the wire's time line, with the entity id of its process when it has none. */
const struct event *join_host_event(struct joiner *joiner, const struct world *world,
				    const struct event *event, uint32_t process, uint64_t wire_ns);

/* When a process started, by the earliest of its start events; 0 = no start was seen. */
uint64_t join_process_start_ns(const struct world *world, uint32_t process);

size_t joiner_bytes(const struct joiner *joiner);
