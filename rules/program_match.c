/* Running programs: the scratch, and the walk through the decision graph. */
#include "rules/program.h"

#include <stdlib.h>
#include <string.h>

#include "rules/program_set.h"

struct program_scratch *program_scratch_open(const struct program_set *set)
{
	struct program_scratch *scratch = calloc(1, sizeof(*scratch));
	if (!scratch)
		return NULL;
	scratch->set = set;
	scratch->round = 1;
	scratch->answers = calloc(set->predicate_count + 1, sizeof(*scratch->answers));
	scratch->room.bytes = malloc(TEXT_ROOM_BYTES);
	scratch->room.size_bytes = TEXT_ROOM_BYTES;
	scratch->wildcards = wildcard_scratch_open(set->position_count);
	scratch->regexes = regex_scratch_open();
	if (scratch->answers && scratch->room.bytes && scratch->wildcards && scratch->regexes)
		return scratch;
	program_scratch_close(scratch);
	return NULL;
}

void program_scratch_close(struct program_scratch *scratch)
{
	if (!scratch)
		return;
	free(scratch->answers);
	free(scratch->room.bytes);
	wildcard_scratch_close(scratch->wildcards);
	regex_scratch_close(scratch->regexes);
	free(scratch);
}

void program_scratch_next_event(struct program_scratch *scratch)
{
	if (++scratch->round < UINT32_MAX / 2)
		return;
	scratch->round = 1;
	memset(scratch->answers, 0, (scratch->set->predicate_count + 1) * sizeof(uint32_t));
}

static bool answer(uint32_t number, struct program_scratch *scratch, const struct event *event)
{
	uint32_t *remembered = &scratch->answers[number];
	if (*remembered / 2 == scratch->round)
		return *remembered & 1;
	const bool truth = predicate_test(scratch->set->predicates[number], scratch, event);
	*remembered = scratch->round * 2 + truth;
	return truth;
}

bool program_match(const struct program *program, struct program_scratch *scratch,
		   const struct event *event)
{
	uint32_t at = program->first;
	while (at < DECISION_TRUE) {
		const struct decision *decision = &program->decisions[at];
		at = decision->next[answer(decision->predicate, scratch, event)];
	}
	return at == DECISION_TRUE;
}
