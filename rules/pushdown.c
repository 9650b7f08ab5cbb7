/* pushdown.c: what the loaded rules can want from the wire.
 *
 * Each step that network events can satisfy wants the destinations that all its conditions on
 * destination.ip leave; the rules together want the union. A flow has exactly one destination.ip,
 * so "some value" and "no value" mean its one value.
 */
#include <string.h>

#include "rules/ruleset_parts.h"

static bool text_equals(struct text text, const char *other)
{
	return text.size_bytes == strlen(other) && memcmp(text.bytes, other, text.size_bytes) == 0;
}

/* A conjunct that says that event.category is one of some texts. */
static bool conjunct_allows(const struct conjunct *conjunct, const char *category)
{
	if (conjunct->kind != CONJUNCT_TEXTS || conjunct->field != FIELD_event_category ||
	    conjunct->negated)
		return true;
	for (size_t i = 0; i < conjunct->count; i++)
		if (text_equals(conjunct->texts[i], category))
			return true;
	/* compared without case it could still be; nobody writes that, so no need to tell apart */
	return conjunct->insensitive;
}

bool pushdown_takes_category(const struct indexed_step *step, const char *category)
{
	size_t count;
	const struct conjunct *conjuncts = program_conjuncts(step->program, &count);
	if (step->datasets == 0 || program_constant(step->program) == PROGRAM_ALWAYS_FALSE)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!conjunct_allows(&conjuncts[i], category))
			return false;
	return true;
}

/* Narrows `wanted` (which it closes) to what a condition on destination.ip leaves. */
static struct address_set *narrow(struct address_set *wanted, const struct conjunct *conjunct)
{
	struct address_set *networks = address_set_open(conjunct->networks, conjunct->count);
	struct address_set *allowed = conjunct->negated
					      ? address_set_opposite(networks)
					      : address_set_intersection(networks, networks);
	struct address_set *narrowed = address_set_intersection(wanted, allowed);
	address_set_close(networks);
	address_set_close(allowed);
	address_set_close(wanted);
	return narrowed;
}

static struct address_set *wanted_by(const struct program *program)
{
	struct address_set *none = address_set_open_empty();
	struct address_set *wanted = address_set_opposite(none);
	address_set_close(none);
	size_t count;
	const struct conjunct *conjuncts = program_conjuncts(program, &count);
	for (size_t i = 0; wanted && i < count; i++)
		if (conjuncts[i].kind == CONJUNCT_NETWORKS &&
		    conjuncts[i].field == FIELD_destination_ip)
			wanted = narrow(wanted, &conjuncts[i]);
	return wanted;
}

struct address_set *pushdown_wanted(const struct ruleset *ruleset)
{
	struct address_set *wanted = address_set_open_empty();
	for (uint32_t i = 0; wanted && i < ruleset->step_count; i++) {
		if (!pushdown_takes_category(&ruleset->indexed[i], "network"))
			continue;
		struct address_set *more = wanted_by(ruleset->indexed[i].program);
		struct address_set *both = address_set_union(wanted, more);
		address_set_close(more);
		address_set_close(wanted);
		wanted = both;
		if (wanted && address_set_is_all(wanted))
			break;
	}
	return wanted;
}
