/* headline.h: the process, flow, user and host that an alert is about, out of all its events.
 *
 * The last event that has a field says it; fields it lacks come from earlier events of the same
 * process (flow, host), never from those of another one.
 */
#pragma once

#include "collector/event.h"
#include "correlator/alert.h"

struct headline {
	const struct alert *alert;
	const struct fields *fields;
	const struct event *process; /* the last event that names a process, or NULL */
	const struct event *flow;    /* the last event that has addresses, or NULL */
	const struct event *host;    /* the last event that names its host, or NULL */
};

void headline_find(const struct alert *alert, const struct fields *fields,
		   struct headline *out_headline);

/* The values of a field in the headline and the event that they are in, or NULL. */
const struct event_value *headline_values(const struct headline *headline, uint16_t field,
					  const struct event **out_event, size_t *out_count);
