#include "rules/step_guard.h"

#include <string.h>

#include "collector/base/hash.h"

static const uint16_t kind_fields[GUARD_KINDS] = {
	FIELD_event_category,
	FIELD_event_type,
	FIELD_event_action,
	FIELD_event_code,
};

uint8_t step_guard_kind(uint16_t field)
{
	for (int i = 0; i < GUARD_KINDS; i++)
		if (kind_fields[i] == field)
			return (uint8_t)i;
	return GUARD_KIND_NONE;
}

void guard_fields_begin(struct guard_fields *fields)
{
	memset(fields->bits, GUARD_ANYTHING_BIT, sizeof(fields->bits));
	fields->count = 0;
}

static uint64_t field_bit(struct guard_fields *fields, uint16_t field)
{
	uint8_t *bit = &fields->bits[field];
	if (*bit == GUARD_ANYTHING_BIT)
		*bit = (uint8_t)(fields->count++ % GUARD_ANYTHING_BIT);
	return UINT64_C(1) << *bit;
}

static uint64_t values_of(const struct conjunct *conjunct)
{
	uint64_t values = 0;
	for (size_t i = 0; i < conjunct->count; i++)
		values |= step_guard_value_bit(
			hash_folded_text(conjunct->texts[i].bytes, conjunct->texts[i].size_bytes));
	return values;
}

/* Not to what two conditions have in common: different values of one field may satisfy them. */
static void narrow(uint64_t *kind, uint64_t values)
{
	if (__builtin_popcountll(values) < __builtin_popcountll(*kind))
		*kind = values;
}

struct step_guard step_guard_make(struct guard_fields *fields, const struct program *program)
{
	struct step_guard guard;
	size_t count;
	memset(&guard, 0xff, sizeof(guard));
	guard.fields = 0;
	const uint16_t *required = program_required_fields(program, &count);
	for (size_t i = 0; i < count; i++)
		guard.fields |= field_bit(fields, required[i]);
	const struct conjunct *conjuncts = program_conjuncts(program, &count);
	for (size_t i = 0; i < count; i++) {
		const uint8_t kind = step_guard_kind(conjuncts[i].field);
		if (conjuncts[i].kind == CONJUNCT_TEXTS && !conjuncts[i].negated &&
		    kind != GUARD_KIND_NONE)
			narrow(&guard.kinds[kind], values_of(&conjuncts[i]));
	}
	return guard;
}
