#include "rules/gram.h"

#include <string.h>
#include <strings.h>

#include "rules/access.h"

enum { GRAM_BYTES = 4, WORD_BYTES = 8 };

static const struct gram_filter unknown;

/* ASCII capitals of eight bytes at once become small letters (Hacker's Delight, 6-1: bytes as sums
 * that carry into their own top bit only). */
static inline uint64_t fold(uint64_t word)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t low = word & 0x7f * ones;
	const uint64_t from_a = low + (0x80 - 'A') * ones;
	const uint64_t beyond_z = low + (0x7f - 'Z') * ones;
	const uint64_t capitals = (from_a ^ beyond_z) & ~word & 0x80 * ones;
	return word | capitals >> 2;
}

/* Of the first four of the folded bytes. */
static inline uint16_t gram_of(uint64_t word)
{
	return (uint16_t)((uint32_t)word * 0x9e3779b1U >> (32 - GRAM_BITS));
}

/* Four grams from each eight bytes: a third faster than byte by byte. */
static void mark_text(struct gram_marks *marks, const char *text, size_t size_bytes)
{
	const uint16_t round = marks->round;
	uint64_t word;
	size_t at = 0;
	for (; size_bytes - at >= WORD_BYTES; at += GRAM_BYTES) {
		memcpy(&word, text + at, WORD_BYTES);
		word = fold(word);
		marks->marks[gram_of(word)] = round;
		marks->marks[gram_of(word >> 8)] = round;
		marks->marks[gram_of(word >> 16)] = round;
		marks->marks[gram_of(word >> 24)] = round;
	}
	word = 0;
	memcpy(&word, text + at, size_bytes - at);
	word = fold(word);
	for (; size_bytes - at >= GRAM_BYTES; at++, word >>= 8)
		marks->marks[gram_of(word)] = round;
}

static void mark_values(struct gram_marks *marks, const struct event *event)
{
	for (size_t i = 0; i < marks->value_count; i++) {
		if (marks->values[i].type != VALUE_TEXT)
			continue;
		const struct event_text *text = event_at(event, &marks->values[i]);
		mark_text(marks, text->bytes, text->size_bytes);
	}
}

/* Its last eight bytes, folded; of a shorter one, zeros before it. */
static uint64_t tail_of(const char *text, size_t size_bytes)
{
	uint64_t word = 0;
	if (size_bytes >= WORD_BYTES)
		memcpy(&word, text + size_bytes - WORD_BYTES, WORD_BYTES);
	else
		memcpy((char *)&word + WORD_BYTES - size_bytes, text, size_bytes);
	return fold(word);
}

static uint64_t tail_of_value(const struct event *event, const struct event_value *value)
{
	if (value->type != VALUE_TEXT)
		return 0;
	const struct event_text *text = event_at(event, value);
	return tail_of(text->bytes, text->size_bytes);
}

static void find_values(struct gram_marks *marks, uint16_t round, const struct event *event,
			uint16_t field)
{
	size_t count;
	marks->values = event_find(event, field, &count);
	marks->value_count = (uint32_t)count;
	marks->values_round = round;
	marks->tail = count ? tail_of_value(event, marks->values) : 0;
}

static bool tail_met(const struct gram_need *need, const struct gram_marks *marks,
		     const struct event *event)
{
	bool met = marks->value_count > 0 && (marks->tail & need->tail_mask) == need->tail;
	for (uint32_t i = 1; i < marks->value_count && !met; i++)
		met = (tail_of_value(event, &marks->values[i]) & need->tail_mask) == need->tail;
	return met;
}

bool gram_need_met(const struct gram_need *need, struct gram_marks *marks, uint16_t round,
		   const struct event *event, uint16_t field)
{
	if (marks->values_round != round)
		find_values(marks, round, event, field);
	if (need->tail_mask)
		return tail_met(need, marks, event);
	if (marks->value_count == 0)
		return false;
	if (marks->round != round) {
		marks->round = round;
		mark_values(marks, event);
	}
	return marks->marks[need->grams[0]] == round && marks->marks[need->grams[1]] == round &&
	       marks->marks[need->grams[2]] == round;
}

/* --- from conditions -------------------------------------------------------------------------- */

/* The last bytes of a text that ends in this run. */
static void tail_of_run(struct text run, struct gram_need *out_need)
{
	const size_t size_bytes = run.size_bytes < WORD_BYTES ? run.size_bytes : WORD_BYTES;
	out_need->tail = tail_of(run.bytes, run.size_bytes);
	out_need->tail_mask = UINT64_MAX << 8 * (WORD_BYTES - size_bytes);
}

/* The first, a middle and the last gram of a literal run. */
static void grams_of_run(const char *run, size_t size_bytes, struct gram_need *out_need)
{
	const size_t starts[GRAMS_PER_NEED] = {
		size_bytes - GRAM_BYTES, /* the last first: paths differ at their ends */
		(size_bytes - GRAM_BYTES) / 2,
		0,
	};
	for (size_t i = 0; i < GRAMS_PER_NEED; i++) {
		uint64_t word = 0;
		memcpy(&word, run + starts[i], GRAM_BYTES);
		out_need->grams[i] = gram_of(fold(word));
	}
}

/* The longest literal run; the whole text when nothing in it is a wildcard. */
static struct text longest_run(struct text text, bool wild)
{
	struct text best = { text.bytes, 0 };
	size_t start = 0;
	for (size_t i = 0; i <= text.size_bytes; i++) {
		if (i < text.size_bytes &&
		    !(wild && (text.bytes[i] == '*' || text.bytes[i] == '?')))
			continue;
		if (i - start >= best.size_bytes)
			best = (struct text){ text.bytes + start, i - start };
		start = i + 1;
	}
	return best;
}

/* The literal run that it ends in; the whole text when nothing in it is a wildcard. */
static struct text last_run(struct text text, bool wild)
{
	size_t start = text.size_bytes;
	while (start > 0 &&
	       !(wild && (text.bytes[start - 1] == '*' || text.bytes[start - 1] == '?')))
		start--;
	return (struct text){ text.bytes + start, text.size_bytes - start };
}

/* How the constant has to lie in the value. */
enum fit {
	FIT_INSIDE, /* anywhere */
	FIT_END,    /* at its end */
	FIT_WILD,   /* as a pattern for all of it */
};

/* What a text that fits has to have. False: too little to tell. */
static bool need_of_text(struct text text, enum fit fit, struct gram_need *out_need)
{
	const struct text run = longest_run(text, fit == FIT_WILD);
	const struct text last = last_run(text, fit == FIT_WILD);
	if (run.size_bytes < GRAM_BYTES)
		return false;
	if (fit != FIT_INSIDE &&
	    (last.size_bytes >= WORD_BYTES || last.size_bytes == run.size_bytes))
		tail_of_run(last, out_need);
	else
		grams_of_run(run.bytes, run.size_bytes, out_need);
	return true;
}

static struct gram_filter filter_of_texts(const struct fields *fields,
					  const struct expression *field,
					  struct expression *const *constants, size_t count,
					  enum fit fit, struct arena *arena)
{
	const uint16_t number = access_keyword_field(fields, field);
	if (number == FIELD_NONE || count > GRAM_NEEDS_MAX)
		return unknown;
	struct gram_need *needs = arena_take(arena, count * sizeof(*needs));
	for (size_t i = 0; needs && i < count; i++) {
		if (constants[i]->kind != EXPRESSION_CONSTANT ||
		    constants[i]->constant.type != CONSTANT_TEXT)
			return unknown;
		needs[i].field = number;
		if (!need_of_text(constants[i]->constant.text, fit, &needs[i]))
			return unknown;
	}
	return (struct gram_filter){
		.known = needs != NULL,
		.needs = needs,
		.count = count,
		.cost = count * access_cost(number),
		.wild = fit != FIT_END,
	};
}

static struct gram_filter filter_of(const struct fields *fields,
				    const struct expression *expression, struct arena *arena);

/* The cheapest operand that an index by equality does not serve already. */
static struct gram_filter filter_of_and(const struct fields *fields,
					const struct expression *expression, struct arena *arena)
{
	struct gram_filter best = unknown;
	for (size_t i = 0; i < expression->operand_count; i++) {
		const struct gram_filter filter = filter_of(fields, expression->operands[i], arena);
		if (!filter.known)
			continue;
		if (!best.known || (filter.wild && !best.wild) ||
		    (filter.wild == best.wild && filter.cost < best.cost))
			best = filter;
	}
	return best;
}

static struct gram_filter filter_of_or(const struct fields *fields,
				       const struct expression *expression, struct arena *arena)
{
	struct gram_filter whole = { .known = true };
	struct gram_need *needs = arena_take(arena, GRAM_NEEDS_MAX * sizeof(*needs));
	for (size_t i = 0; needs && i < expression->operand_count; i++) {
		const struct gram_filter filter = filter_of(fields, expression->operands[i], arena);
		if (!filter.known || filter.count > GRAM_NEEDS_MAX - whole.count)
			return unknown;
		memcpy(needs + whole.count, filter.needs, filter.count * sizeof(*needs));
		whole.count += filter.count;
		whole.cost += filter.cost;
		whole.wild = whole.wild || filter.wild;
	}
	whole.needs = needs;
	return needs ? whole : unknown;
}

/* startsWith(field, "text") and its like; any letter case will do. */
static struct gram_filter filter_of_call(const struct fields *fields, const struct expression *call,
					 struct arena *arena)
{
	static const struct {
		const char *name;
		enum fit fit;
	} calls[] = {
		{ "startsWith", FIT_INSIDE },
		{ "endsWith", FIT_END },
		{ "stringContains", FIT_INSIDE },
	};
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (call->operand_count == 2 && call->name.size_bytes == strlen(calls[i].name) &&
		    strncasecmp(call->name.bytes, calls[i].name, call->name.size_bytes) == 0) {
			struct gram_filter filter =
				filter_of_texts(fields, call->operands[0], call->operands + 1, 1,
						calls[i].fit, arena);
			filter.wild = true;
			return filter;
		}
	return unknown;
}

static struct gram_filter filter_of(const struct fields *fields,
				    const struct expression *expression, struct arena *arena)
{
	struct expression *const *operands = expression->operands;
	switch (expression->kind) {
	case EXPRESSION_AND:
		return filter_of_and(fields, expression, arena);
	case EXPRESSION_OR:
		return filter_of_or(fields, expression, arena);
	case EXPRESSION_IN:
	case EXPRESSION_LIKE:
		return filter_of_texts(
			fields, operands[0], operands + 1, expression->operand_count - 1,
			expression->kind == EXPRESSION_LIKE ? FIT_WILD : FIT_END, arena);
	case EXPRESSION_COMPARE:
		if (expression->operation != OPERATION_EQUAL)
			return unknown;
		if (operands[0]->kind == EXPRESSION_FIELD)
			return filter_of_texts(fields, operands[0], operands + 1, 1, FIT_END,
					       arena);
		return filter_of_texts(fields, operands[1], operands, 1, FIT_END, arena);
	case EXPRESSION_CALL:
		return filter_of_call(fields, expression, arena);
	case EXPRESSION_CONSTANT:
	case EXPRESSION_FIELD:
	case EXPRESSION_NEGATE:
	case EXPRESSION_ARITHMETIC:
	case EXPRESSION_REGEX:
	case EXPRESSION_NOT:
		break;
	}
	return unknown;
}

/* A filter that only equalities made says no more than the index by equality does. */
struct gram_filter gram_filter_find(const struct fields *fields, const struct expression *condition,
				    struct arena *arena)
{
	const struct gram_filter filter = filter_of(fields, condition, arena);
	return filter.wild ? filter : unknown;
}
