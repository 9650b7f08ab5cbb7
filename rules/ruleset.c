/* ruleset.c: looking at a loaded ruleset and matching events with it;
 * ruleset_builder.c makes it. */
#include "rules/ruleset.h"

#include <stdlib.h>

#include "rules/ruleset_parts.h"

void ruleset_close(struct ruleset *ruleset)
{
	if (!ruleset)
		return;
	program_set_close(ruleset->programs);
	address_set_close(ruleset->wanted);
	arena_close(ruleset->arena); /* the ruleset itself is in it */
}

uint32_t ruleset_rule_count(const struct ruleset *ruleset)
{
	return ruleset->rule_count;
}

const struct rule *ruleset_rule(const struct ruleset *ruleset, uint32_t index)
{
	return ruleset->rules[index];
}

uint32_t ruleset_step_count(const struct ruleset *ruleset)
{
	return ruleset->step_count;
}

const struct step_use *ruleset_step_uses(const struct ruleset *ruleset, step_id step,
					 size_t *out_count)
{
	*out_count = ruleset->steps[step].use_count;
	return ruleset->steps[step].uses;
}

bool ruleset_step_reads(const struct ruleset *ruleset, step_id step, uint16_t field)
{
	size_t count;
	const uint16_t *fields = program_fields(ruleset->indexed[step].program, &count);
	for (size_t i = 0; i < count; i++)
		if (fields[i] == field)
			return true;
	return false;
}

void ruleset_print_program(const struct ruleset *ruleset, uint32_t rule, FILE *stream)
{
	const struct rule *printed = ruleset->rules[rule];
	for (uint16_t i = 0; i < printed->stage_count; i++) {
		const struct rule_stage *stage = &printed->stages[i];
		fprintf(stream, "stage %u%s: step %u\n", i + 1U, stage->missing ? " (missing)" : "",
			stage->step);
		program_print(ruleset->indexed[stage->step].program, stream);
	}
	if (printed->until_step == RULE_NO_STEP)
		return;
	fprintf(stream, "until: step %u\n", printed->until_step);
	program_print(ruleset->indexed[printed->until_step].program, stream);
}

/* --- matching --------------------------------------------------------------------------------- */

struct match_scratch {
	const struct step_index *index;
	struct step_scratch *steps;
};

struct match_scratch *match_scratch_open(const struct ruleset *ruleset)
{
	struct match_scratch *scratch = calloc(1, sizeof(*scratch));
	if (!scratch)
		return NULL;
	scratch->index = ruleset->index;
	scratch->steps = step_scratch_open(ruleset->index, ruleset->programs);
	if (scratch->steps)
		return scratch;
	match_scratch_close(scratch);
	return NULL;
}

void match_scratch_close(struct match_scratch *scratch)
{
	if (!scratch)
		return;
	step_scratch_close(scratch->steps);
	free(scratch);
}

size_t ruleset_match(const struct ruleset *ruleset, struct match_scratch *scratch,
		     const struct event *event, step_id *out_steps)
{
	return step_index_match(ruleset->index, scratch->steps, event, out_steps);
}

/* --- pushdown --------------------------------------------------------------------------------- */

bool ruleset_wants_destination(const struct ruleset *ruleset, const struct ip_address *destination)
{
	return address_set_holds(ruleset->wanted, destination);
}

size_t ruleset_unwanted_prefixes(const struct ruleset *ruleset, struct ip_prefix *out_prefixes,
				 size_t room)
{
	struct address_set *unwanted = address_set_opposite(ruleset->wanted);
	const size_t count = unwanted ? address_set_prefixes(unwanted, out_prefixes, room) : 0;
	address_set_close(unwanted);
	return count;
}

bool ruleset_wants_category(const struct ruleset *ruleset, const char *category)
{
	for (uint32_t i = 0; i < ruleset->step_count; i++)
		if (pushdown_takes_category(&ruleset->indexed[i], category))
			return true;
	return false;
}
