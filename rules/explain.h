/* explain.h: why an event does not satisfy a step of a rule: which conditions would have to be
 * otherwise, and what the event has instead. For `procspan explain`; not for hot paths. One thread
 * per explainer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "rules/ruleset.h"

struct explainer;

enum { MISSES_MAX = 16 }; /* conditions told of one event; those behind are not looked at */

/* One condition that does not hold. The alternatives of an `or` are one condition each, with the
 * same number. */
struct miss {
	size_t number;
	const struct predicate *predicate; /* NULL: the rule's `index` does not name what it is */
	bool answer;			   /* of the predicate: true where it should be false */
};

/* NULL with errno; the caller closes. `ruleset` and `fields` must outlive it. */
struct explainer *explainer_open(const struct ruleset *ruleset, const struct fields *fields);
void explainer_close(struct explainer *explainer);

/* The conditions of the step that the event misses, in the order in which they are asked; 0: it
 * satisfies the step. */
size_t explainer_misses(struct explainer *explainer, step_id step, const struct event *event,
			struct miss out_misses[MISSES_MAX]);

/* One sentence, without an end of line: "destination.ip = 10.1.2.2 is inside 10.0.0.0/8". */
void miss_print(const struct explainer *explainer, const struct miss *miss,
		const struct event *event, FILE *stream);

/* The category that a step asks for ("network"), or NULL: any. Borrowed from the ruleset. */
const char *explainer_category(const struct explainer *explainer, step_id step);
