/* Walks a step's decision graph as matching does, but goes on behind a condition that does not hold
 * as if it held, so that all of those are found. */
#include "rules/explain.h"

#include <errno.h>
#include <stdlib.h>

#include "rules/ruleset_parts.h"
#include "rules/program_set.h"

struct explainer {
	const struct ruleset *ruleset;
	const struct fields *fields;
	struct program_scratch *scratch;
};

struct explainer *explainer_open(const struct ruleset *ruleset, const struct fields *fields)
{
	struct explainer *explainer = calloc(1, sizeof(*explainer));
	if (!explainer)
		return NULL;
	explainer->ruleset = ruleset;
	explainer->fields = fields;
	explainer->scratch = program_scratch_open(ruleset->programs);
	if (explainer->scratch)
		return explainer;
	explainer_close(explainer);
	return NULL;
}

void explainer_close(struct explainer *explainer)
{
	if (!explainer)
		return;
	program_scratch_close(explainer->scratch);
	free(explainer);
}

/* --- finding ------------------------------------------------------------------------------------
 */

/* A question asked on the way, and where the other answer would have led. */
struct asked {
	const struct predicate *predicate;
	uint32_t otherwise;
	bool answer;
};

enum { ASKED_MAX = 64 }; /* alternatives of one `or` that are looked at */

static void push(struct asked asked[ASKED_MAX], size_t *count, const struct asked *latest)
{
	if (*count < ASKED_MAX)
		asked[(*count)++] = *latest;
	else
		asked[ASKED_MAX - 1] = *latest;
}

/* The last questions with one way out are the alternatives of one condition. */
static size_t take_misses(const struct asked *asked, size_t asked_count, size_t number,
			  struct miss *out_misses, size_t room)
{
	const uint32_t way_out = asked[asked_count - 1].otherwise;
	size_t first = asked_count - 1;
	while (first > 0 && asked[first - 1].otherwise == way_out)
		first--;
	size_t count = 0;
	for (size_t i = first; i < asked_count && count < room; i++)
		out_misses[count++] = (struct miss){ number, asked[i].predicate, asked[i].answer };
	return count;
}

size_t explainer_misses(struct explainer *explainer, step_id step, const struct event *event,
			struct miss out_misses[MISSES_MAX])
{
	const struct indexed_step *indexed = &explainer->ruleset->indexed[step];
	const struct program *program = indexed->program;
	struct asked asked[ASKED_MAX];
	size_t asked_count = 0;
	size_t count = 0;
	size_t number = 1;
	if (!(event->datasets & indexed->datasets))
		out_misses[count++] = (struct miss){ .number = number++ };
	program_scratch_next_event(explainer->scratch);
	/* Decisions lead onwards only, so this ends. */
	for (uint32_t at = program->first; at != DECISION_TRUE && count < MISSES_MAX;) {
		if (at == DECISION_FALSE) {
			if (asked_count == 0)
				return count ? count : 1; /* no event can satisfy it */
			count += take_misses(asked, asked_count, number++, out_misses + count,
					     MISSES_MAX - count);
			at = asked[asked_count - 1].otherwise;
			asked_count = 0;
			continue;
		}
		const struct decision *decision = &program->decisions[at];
		const struct predicate *predicate = program->set->predicates[decision->predicate];
		const bool answer = predicate_test(predicate, explainer->scratch, event);
		at = decision->next[answer];
		push(asked, &asked_count,
		     &(struct asked){ predicate, decision->next[!answer], answer });
	}
	return count;
}

const char *explainer_category(const struct explainer *explainer, step_id step)
{
	size_t count;
	const struct conjunct *conjuncts =
		program_conjuncts(explainer->ruleset->indexed[step].program, &count);
	for (size_t i = 0; i < count; i++)
		if (conjuncts[i].field == FIELD_event_category && !conjuncts[i].negated &&
		    conjuncts[i].kind == CONJUNCT_TEXTS && conjuncts[i].count == 1)
			return conjuncts[i].texts[0].bytes;
	return NULL;
}

/* --- saying -------------------------------------------------------------------------------------
 */

static void print_field_values(const struct fields *fields, uint16_t field,
			       const struct event *event, FILE *stream)
{
	size_t count;
	const struct event_value *values = event_find(event, field, &count);
	field_print(fields, field, stream);
	fputs(count ? " = " : " has no value", stream);
	for (size_t i = 0; i < count; i++) {
		const struct value value = value_of_event(event, &values[i]);
		fputs(i ? ", " : "", stream);
		value_print(&value, stream);
	}
}

static void print_network(const struct ip_prefix *network, FILE *stream)
{
	char text[IP_ADDRESS_TEXT_MAX];
	const bool v4 = ip_address_is_v4(&network->address) && network->bits >= 96;
	ip_address_format(&network->address, text);
	fprintf(stream, "%s/%d", text, v4 ? network->bits - 96 : network->bits);
}

/* " is inside 10.0.0.0/8", or " is in none of the networks 10.0.0.0/8, ..." */
static void print_networks(const struct miss *miss, const struct event *event, FILE *stream)
{
	const struct predicate *predicate = miss->predicate;
	const struct ip_address *address = event_address(event, predicate->field);
	fputs(miss->answer ? " is inside " : " is in none of the networks ", stream);
	bool any = false;
	for (size_t i = 0; i < predicate->network_count; i++) {
		const struct ip_prefix *network = &predicate->networks[i];
		if (miss->answer && address && !ip_prefix_contains(network, address))
			continue;
		fputs(any ? ", " : "", stream);
		print_network(network, stream);
		any = true;
	}
}

static void print_values(const struct predicate *predicate, FILE *stream)
{
	enum { VALUES_SHOWN = 12 };
	for (size_t i = 0; i < predicate->value_count && i < VALUES_SHOWN; i++) {
		fputs(i ? ", " : " ", stream);
		value_print(&predicate->values[i], stream);
	}
	if (predicate->value_count > VALUES_SHOWN)
		fprintf(stream, ", and %zu more", predicate->value_count - VALUES_SHOWN);
}

static void print_relation(const struct miss *miss, FILE *stream)
{
	static const char *const operations[] = { "",	"+",  "-", "*",	 "/", "%",
						  "==", "!=", "<", "<=", ">", ">=" };
	const struct predicate *predicate = miss->predicate;
	const bool answer = miss->answer;
	const bool one = predicate->value_count == 1;
	switch (predicate->kind) {
	case PREDICATE_TEXTS:
	case PREDICATE_NUMBERS:
		fputs(one      ? answer ? " is" : " is not"
		      : answer ? " is one of"
			       : " is none of",
		      stream);
		break;
	case PREDICATE_LIKE:
	case PREDICATE_REGEX:
		fputs(answer ? " fits" : " does not fit", stream);
		break;
	case PREDICATE_COMPARE:
		fprintf(stream, " is %s%s", answer ? "" : "not ", operations[predicate->operation]);
		break;
	case PREDICATE_EXISTS:
	case PREDICATE_NETWORKS:
	case PREDICATE_SCRIPT:
		return;
	}
	print_values(predicate, stream);
}

static void print_script(const struct explainer *explainer, const struct miss *miss,
			 const struct event *event, FILE *stream)
{
	const struct predicate *predicate = miss->predicate;
	fprintf(stream, "found %s: ", miss->answer ? "true" : "not true");
	predicate_print(predicate, explainer->fields, stream);
	for (size_t i = 0; i < predicate->script_field_count; i++) {
		fputs(i ? "; " : ", where ", stream);
		print_field_values(explainer->fields, predicate->script_fields[i], event, stream);
	}
}

void miss_print(const struct explainer *explainer, const struct miss *miss,
		const struct event *event, FILE *stream)
{
	const struct predicate *predicate = miss->predicate;
	if (!predicate) {
		fputs("the rule's index patterns do not name the data that this event is of",
		      stream);
		return;
	}
	if (predicate->kind == PREDICATE_SCRIPT) {
		print_script(explainer, miss, event, stream);
		return;
	}
	print_field_values(explainer->fields, predicate->field, event, stream);
	if (!event_find(event, predicate->field, NULL)) {
		if (predicate->kind != PREDICATE_EXISTS)
			fputs("; expected", stream);
		print_values(predicate, stream);
	} else if (predicate->kind == PREDICATE_NETWORKS) {
		print_networks(miss, event, stream);
	} else {
		print_relation(miss, stream);
	}
}
