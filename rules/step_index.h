/* step_index.h: which steps could an event satisfy, and which of those does it?
 *
 * A step is found by a value that no event can satisfy it without (access.h): a hash table from
 * (field, case-folded text) to the steps that need it. Steps that need none are asked for every
 * event. A step found so is asked only if its wildcards could fit (gram.h). Immutable; one scratch
 * per thread.
 */
#pragma once

#include "rules/access.h"
#include "rules/gram.h"
#include "rules/program.h"

struct indexed_step {
	const struct program *program;
	struct access_set access;
	struct gram_filter grams;
	uint32_t datasets; /* events of these datasets only */
};

struct step_index;
struct step_scratch;

/* `steps` is borrowed and must outlive the index, which lives in `arena`. NULL: no memory. */
const struct step_index *step_index_make(const struct indexed_step *steps, size_t count,
					 struct arena *arena);

struct step_scratch *step_scratch_open(const struct step_index *index,
				       const struct program_set *programs);
void step_scratch_close(struct step_scratch *scratch);

/* The steps that the event satisfies, ascending; room for all of them. No allocation. */
size_t step_index_match(const struct step_index *index, struct step_scratch *scratch,
			const struct event *event, step_id *out_steps);

/* Steps that every event is asked for: what the index cannot help. */
size_t step_index_unindexed_count(const struct step_index *index);
