/* Making predicates, each once: a draft is printed, looked up by its text, and only a new one gets
 * its set, automaton, expression or network tree. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"
#include "rules/check.h"
#include "rules/program_set.h"

static bool no_memory(struct lowering *lowering, struct place place)
{
	return checker_complain(lowering->checker, place,
				"the query needs more memory than it may use");
}

static struct owned *own(struct program_set *set)
{
	struct owned *owned = arena_take(set->arena, sizeof(*owned));
	if (owned) {
		owned->next = set->owned;
		set->owned = owned;
	}
	return owned;
}

/* --- what answers ----------------------------------------------------------------------------- */

static struct text *texts_of(struct lowering *lowering, const struct value *values, size_t count)
{
	struct text *texts = arena_take(lowering->set->arena, count * sizeof(*texts));
	for (size_t i = 0; texts && i < count; i++)
		texts[i] = values[i].text;
	return texts;
}

static struct wildcard *make_wildcard(struct lowering *lowering, const struct text *patterns,
				      size_t count, bool insensitive, struct place place)
{
	struct program_set *set = lowering->set;
	struct wildcard *wildcard =
		wildcard_open(patterns, count, insensitive, set->arena, &set->wildcard_work_left);
	if (!wildcard && errno == E2BIG)
		checker_complain(lowering->checker, place,
				 "found patterns of more than %d bytes in one list",
				 WILDCARD_BYTES_MAX);
	else if (!wildcard)
		no_memory(lowering, place);
	else if (wildcard_positions(wildcard) > set->position_count)
		set->position_count = wildcard_positions(wildcard);
	return wildcard;
}

static struct regex *make_regex(struct lowering *lowering, const struct text *expressions,
				size_t count, bool insensitive, struct place place)
{
	struct program_set *set = lowering->set;
	if (set->regex_count == REGEXES_MAX) {
		checker_complain(lowering->checker, place,
				 "found more than %d different regular expressions", REGEXES_MAX);
		return NULL;
	}
	char fault[REGEX_FAULT_MAX] = "the query needs more memory than it may use";
	struct owned *owned = own(set);
	struct regex *regex = owned ? regex_open(expressions, count, insensitive, fault) : NULL;
	if (!regex) {
		checker_complain(lowering->checker, place, "in a regular expression: %s", fault);
		return NULL;
	}
	set->regex_count++;
	owned->regex = regex;
	return regex;
}

static bool make_networks(struct lowering *lowering, struct predicate *predicate,
			  struct place place)
{
	struct cidr_entry *entries = calloc(predicate->network_count, sizeof(*entries));
	struct owned *owned = own(lowering->set);
	if (entries && owned) {
		for (size_t i = 0; i < predicate->network_count; i++)
			entries[i].prefix = predicate->networks[i];
		owned->cidr = cidr_set_open(entries, predicate->network_count);
		predicate->cidr = owned->cidr;
	}
	free(entries);
	return predicate->cidr || no_memory(lowering, place);
}

/* --- scripts ---------------------------------------------------------------------------------- */

static bool place_field(struct lowering *lowering, struct predicate *predicate, struct node *node)
{
	for (size_t i = 0; i < predicate->script_field_count; i++) {
		if (predicate->script_fields[i] != node->field)
			continue;
		node->slot = (uint16_t)i;
		return true;
	}
	if (predicate->script_field_count == SCRIPT_FIELDS_MAX)
		return checker_complain(lowering->checker, node->place,
					"found more than %d fields in one condition on functions",
					SCRIPT_FIELDS_MAX);
	node->slot = (uint16_t)predicate->script_field_count;
	predicate->script_fields[predicate->script_field_count++] = node->field;
	return true;
}

/* Gives every field a slot and every string test what answers it. */
static bool prepare_script(struct lowering *lowering, struct predicate *predicate,
			   struct node *node)
{
	if (node->kind == NODE_FIELD)
		return place_field(lowering, predicate, node);
	for (size_t i = 0; i < node->operand_count; i++)
		if (!prepare_script(lowering, predicate, node->operands[i]))
			return false;
	if (node->kind != NODE_LIKE && node->kind != NODE_REGEX)
		return true;
	const size_t count = node->operand_count - 1;
	struct text *texts = arena_take(lowering->set->arena, count * sizeof(*texts));
	if (!texts)
		return no_memory(lowering, node->place);
	for (size_t i = 0; i < count; i++)
		texts[i] = node->operands[i + 1]->constant.text;
	if (node->kind == NODE_LIKE)
		return (node->wildcard = make_wildcard(lowering, texts, count, node->insensitive,
						       node->place));
	return (node->regex = make_regex(lowering, texts, count, node->insensitive, node->place));
}

/* --- interning -------------------------------------------------------------------------------- */

static bool make(struct lowering *lowering, struct predicate *predicate, struct place place)
{
	static const uint32_t costs[] = {
		[PREDICATE_EXISTS] = 1,	 [PREDICATE_TEXTS] = 2,	   [PREDICATE_NUMBERS] = 2,
		[PREDICATE_COMPARE] = 2, [PREDICATE_NETWORKS] = 4, [PREDICATE_LIKE] = 16,
		[PREDICATE_REGEX] = 64,	 [PREDICATE_SCRIPT] = 32,
	};
	predicate->cost = costs[predicate->kind];
	if (predicate->kind == PREDICATE_NETWORKS)
		return make_networks(lowering, predicate, place);
	if (predicate->kind == PREDICATE_SCRIPT)
		return prepare_script(lowering, predicate, predicate->script);
	if (predicate->kind != PREDICATE_TEXTS && predicate->kind != PREDICATE_LIKE &&
	    predicate->kind != PREDICATE_REGEX)
		return true;
	const size_t count = predicate->value_count;
	const struct text *texts = texts_of(lowering, predicate->values, count);
	if (!texts)
		return no_memory(lowering, place);
	if (predicate->kind == PREDICATE_LIKE)
		return (predicate->wildcard = make_wildcard(lowering, texts, count,
							    predicate->insensitive, place));
	if (predicate->kind == PREDICATE_REGEX)
		return (predicate->regex =
				make_regex(lowering, texts, count, predicate->insensitive, place));
	predicate->texts =
		text_set_open(texts, count, predicate->insensitive, lowering->set->arena);
	return predicate->texts || no_memory(lowering, place);
}

static char *print_key(const struct program_set *set, const struct predicate *draft,
		       size_t *out_size)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, out_size);
	if (!stream)
		return NULL;
	predicate_print(draft, set->fields, stream);
	fclose(stream);
	return text;
}

static bool grow(struct program_set *set)
{
	if (set->predicate_count == set->predicate_room) {
		const size_t room = set->predicate_room ? 2 * set->predicate_room : 64;
		void *larger = realloc(set->predicates, room * sizeof(struct predicate *));
		if (!larger)
			return false;
		set->predicates = larger;
		set->predicate_room = room;
	}
	if (2 * (set->predicate_count + 1) <= set->bucket_count)
		return true;
	const size_t count = set->bucket_count ? 2 * set->bucket_count : 128;
	uint32_t *buckets = calloc(count, sizeof(*buckets));
	if (!buckets)
		return false;
	for (size_t i = 0; i < set->predicate_count; i++) {
		size_t at = set->predicates[i]->hash & (count - 1);
		while (buckets[at])
			at = (at + 1) & (count - 1);
		buckets[at] = (uint32_t)i + 1;
	}
	free(set->buckets);
	set->buckets = buckets;
	set->bucket_count = count;
	return true;
}

static uint32_t add(struct lowering *lowering, const struct predicate *draft, const char *key,
		    size_t key_bytes, size_t bucket, struct place place)
{
	struct program_set *set = lowering->set;
	struct predicate *predicate = arena_take(set->arena, sizeof(*predicate));
	const char *copy = arena_copy_text(set->arena, key, key_bytes);
	if (!predicate || !copy) {
		no_memory(lowering, place);
		return UINT32_MAX;
	}
	*predicate = *draft;
	predicate->key = copy;
	if (!make(lowering, predicate, place))
		return UINT32_MAX;
	set->predicates[set->predicate_count] = predicate;
	set->buckets[bucket] = (uint32_t)++set->predicate_count;
	return (uint32_t)set->predicate_count - 1;
}

uint32_t predicate_intern(struct lowering *lowering, const struct predicate *draft,
			  struct place place)
{
	struct program_set *set = lowering->set;
	size_t size;
	char *key = print_key(set, draft, &size);
	if (!key || !grow(set)) {
		free(key);
		no_memory(lowering, place);
		return UINT32_MAX;
	}
	struct predicate hashed = *draft;
	hashed.hash = hash_folded_text(key, size);
	size_t bucket = hashed.hash & (set->bucket_count - 1);
	uint32_t number = UINT32_MAX;
	for (; set->buckets[bucket]; bucket = (bucket + 1) & (set->bucket_count - 1)) {
		const uint32_t candidate = set->buckets[bucket] - 1;
		if (set->predicates[candidate]->hash != hashed.hash ||
		    strcmp(set->predicates[candidate]->key, key) != 0)
			continue;
		number = candidate;
		break;
	}
	if (number == UINT32_MAX)
		number = add(lowering, &hashed, key, size, bucket, place);
	free(key);
	return number;
}
