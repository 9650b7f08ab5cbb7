#include "rules/step_index.h"

#include <stdlib.h>
#include <string.h>

#include "rules/step_guard.h"

enum {
	FEW_FIELDS = 4
}; /* so many are looked up; of more, all of the event's values are gone through */

/* The steps that need this text in this field: entries[first .. first + count). */
struct slot {
	uint32_t folded_hash;
	uint16_t field; /* FIELD_NONE: empty */
	uint32_t first;
	uint32_t count;
};

/* What is to be done with a value of a field. */
struct plan {
	uint8_t guard_bit;
	uint8_t kind; /* step_guard_kind */
	bool keyed;
	bool read; /* keyed or of a kind: its text is looked at */
};

struct step_index {
	const struct indexed_step *steps;
	size_t step_count;
	struct slot *slots; /* open addressing, at most half full */
	uint32_t slot_mask;
	step_id *entries;
	step_id *everywhere; /* steps that need no text */
	size_t everywhere_count;
	bool keyed[FIELD_MAX];		 /* fields that any slot has */
	uint16_t few_fields[FEW_FIELDS]; /* the same, when they are no more than these */
	size_t field_count;
	struct step_guard *guards; /* per step */
	struct plan *plans;	   /* per field */
	struct filter *filters;	   /* per step */
	uint16_t *gram_fields;	   /* fields whose grams some step needs */
	size_t gram_field_count;
};

/* A gram filter whose needs name a place in gram_fields instead of a field. */
struct filter {
	const struct gram_need *needs;
	size_t count; /* 0: no filter */
};

struct step_scratch {
	struct program_scratch *programs;
	struct gram_marks *marks; /* per gram field; of this event where the round says so */
	uint16_t round;		  /* of the event at hand, 1.. */
	struct step_guard seen;	  /* of the event at hand */
	uint32_t generation;	  /* of the event at hand */
	uint32_t generations[];	  /* per step: of the event that it was last asked for */
};

static uint32_t bucket_of(uint16_t field, uint32_t folded_hash)
{
	return (folded_hash ^ field * 0x9e3779b9U) * 0x85ebca6bU >> 7;
}

/* The slot of a key, or the empty one where it belongs. */
static struct slot *find_slot(const struct step_index *index, uint16_t field, uint32_t folded_hash)
{
	for (uint32_t i = bucket_of(field, folded_hash);; i++) {
		struct slot *slot = &index->slots[i & index->slot_mask];
		if (slot->field == FIELD_NONE ||
		    (slot->field == field && slot->folded_hash == folded_hash))
			return slot;
	}
}

/* --- building --------------------------------------------------------------------------------- */

static bool is_dead(const struct indexed_step *step)
{
	return step->datasets == 0 || program_constant(step->program) == PROGRAM_ALWAYS_FALSE ||
	       (step->access.known && step->access.count == 0);
}

static bool is_indexed(const struct indexed_step *step)
{
	return step->access.known && !is_dead(step);
}

static bool make_slots(struct step_index *index, size_t key_count, struct arena *arena)
{
	size_t slot_count = 16;
	while (slot_count < 2 * key_count)
		slot_count *= 2;
	index->slot_mask = (uint32_t)(slot_count - 1);
	index->slots = arena_take(arena, slot_count * sizeof(*index->slots));
	index->entries = arena_take(arena, (key_count + 1) * sizeof(*index->entries));
	index->everywhere = arena_take(arena, (index->step_count + 1) * sizeof(step_id));
	if (!index->slots || !index->entries || !index->everywhere)
		return false;
	for (size_t i = 0; i < slot_count; i++)
		index->slots[i].field = FIELD_NONE;
	return true;
}

/* First the lengths of the lists, then their places, then the lists. */
static void count_entries(struct step_index *index)
{
	for (size_t i = 0; i < index->step_count; i++) {
		const struct indexed_step *step = &index->steps[i];
		for (size_t j = 0; is_indexed(step) && j < step->access.count; j++) {
			const struct access_key *key = &step->access.keys[j];
			struct slot *slot = find_slot(index, key->field, key->folded_hash);
			slot->field = key->field;
			slot->folded_hash = key->folded_hash;
			slot->count++;
			index->keyed[key->field] = true;
		}
	}
}

static void list_fields(struct step_index *index)
{
	for (uint32_t field = 0; field < FIELD_MAX; field++) {
		if (!index->keyed[field])
			continue;
		if (index->field_count < FEW_FIELDS)
			index->few_fields[index->field_count] = (uint16_t)field;
		index->field_count++;
	}
}

static void place_entries(struct step_index *index)
{
	uint32_t next = 0;
	for (uint32_t i = 0; i <= index->slot_mask; i++) {
		index->slots[i].first = next;
		next += index->slots[i].count;
		index->slots[i].count = 0;
	}
}

static void fill_entries(struct step_index *index)
{
	for (size_t i = 0; i < index->step_count; i++) {
		const struct indexed_step *step = &index->steps[i];
		if (!step->access.known && !is_dead(step))
			index->everywhere[index->everywhere_count++] = (step_id)i;
		for (size_t j = 0; is_indexed(step) && j < step->access.count; j++) {
			const struct access_key *key = &step->access.keys[j];
			struct slot *slot = find_slot(index, key->field, key->folded_hash);
			index->entries[slot->first + slot->count++] = (step_id)i;
		}
	}
}

/* The place of a field in gram_fields, where it is put if need be. */
static uint16_t gram_place(struct step_index *index, uint16_t field)
{
	size_t place = 0;
	while (place < index->gram_field_count && index->gram_fields[place] != field)
		place++;
	if (place == index->gram_field_count)
		index->gram_fields[index->gram_field_count++] = field;
	return (uint16_t)place;
}

static bool make_filters(struct step_index *index, struct arena *arena)
{
	index->filters = arena_take(arena, (index->step_count + 1) * sizeof(*index->filters));
	index->gram_fields = arena_take(arena, FIELD_MAX * sizeof(*index->gram_fields));
	if (!index->filters || !index->gram_fields)
		return false;
	for (size_t i = 0; i < index->step_count; i++) {
		const struct gram_filter *grams = &index->steps[i].grams;
		struct gram_need *needs =
			grams->known ? arena_take(arena, (grams->count + 1) * sizeof(*needs))
				     : NULL;
		if (!needs || grams->count == 0)
			continue;
		for (size_t j = 0; j < grams->count; j++) {
			needs[j] = grams->needs[j];
			needs[j].field = gram_place(index, grams->needs[j].field);
		}
		index->filters[i] = (struct filter){ needs, grams->count };
	}
	return true;
}

static bool make_guards(struct step_index *index, struct arena *arena)
{
	index->guards = arena_take(arena, (index->step_count + 1) * sizeof(*index->guards));
	index->plans = arena_take(arena, FIELD_MAX * sizeof(*index->plans));
	if (!index->guards || !index->plans)
		return false;
	struct guard_fields fields;
	guard_fields_begin(&fields);
	for (size_t i = 0; i < index->step_count; i++)
		index->guards[i] = step_guard_make(&fields, index->steps[i].program);
	for (uint32_t field = 0; field < FIELD_MAX; field++) {
		const uint8_t kind = step_guard_kind((uint16_t)field);
		index->plans[field] = (struct plan){
			.guard_bit = fields.bits[field],
			.kind = kind,
			.keyed = index->keyed[field],
			.read = index->keyed[field] || kind != GUARD_KIND_NONE,
		};
	}
	return true;
}

const struct step_index *step_index_make(const struct indexed_step *steps, size_t count,
					 struct arena *arena)
{
	struct step_index *index = arena_take(arena, sizeof(*index));
	size_t key_count = 0;
	for (size_t i = 0; i < count; i++)
		key_count += is_indexed(&steps[i]) ? steps[i].access.count : 0;
	if (!index)
		return NULL;
	index->steps = steps;
	index->step_count = count;
	if (!make_slots(index, key_count, arena) || !make_filters(index, arena))
		return NULL;
	count_entries(index);
	list_fields(index);
	place_entries(index);
	fill_entries(index);
	return make_guards(index, arena) ? index : NULL;
}

size_t step_index_unindexed_count(const struct step_index *index)
{
	return index->everywhere_count;
}

/* --- matching --------------------------------------------------------------------------------- */

struct step_scratch *step_scratch_open(const struct step_index *index,
				       const struct program_set *programs)
{
	struct step_scratch *scratch =
		calloc(1, sizeof(*scratch) + index->step_count * sizeof(uint32_t));
	if (!scratch)
		return NULL;
	scratch->programs = program_scratch_open(programs);
	scratch->marks = calloc(index->gram_field_count + 1, sizeof(*scratch->marks));
	if (scratch->programs && scratch->marks)
		return scratch;
	step_scratch_close(scratch);
	return NULL;
}

void step_scratch_close(struct step_scratch *scratch)
{
	if (!scratch)
		return;
	program_scratch_close(scratch->programs);
	free(scratch->marks);
	free(scratch);
}

static void begin_event(const struct step_index *index, struct step_scratch *scratch)
{
	program_scratch_next_event(scratch->programs);
	if (++scratch->round == 0) {
		memset(scratch->marks, 0, index->gram_field_count * sizeof(*scratch->marks));
		scratch->round = 1;
	}
	if (++scratch->generation != 0)
		return;
	memset(scratch->generations, 0, index->step_count * sizeof(uint32_t));
	scratch->generation = 1;
}

/* False only if the step's wildcards cannot fit. */
static bool could_fit(const struct step_index *index, struct step_scratch *scratch,
		      const struct event *event, step_id id)
{
	const struct filter *filter = &index->filters[id];
	for (size_t i = 0; i < filter->count; i++) {
		const struct gram_need *need = &filter->needs[i];
		if (gram_need_met(need, &scratch->marks[need->field], scratch->round, event,
				  index->gram_fields[need->field]))
			return true;
	}
	return filter->count == 0;
}

/* Asks the steps that were not asked for this event yet; appends the satisfied ones. */
static size_t ask(const struct step_index *index, struct step_scratch *scratch,
		  const struct event *event, const step_id *steps, size_t count, step_id *out_steps)
{
	size_t satisfied = 0;
	for (size_t i = 0; i < count; i++) {
		const step_id id = steps[i];
		if (scratch->generations[id] == scratch->generation)
			continue;
		scratch->generations[id] = scratch->generation;
		const struct indexed_step *step = &index->steps[id];
		if (step_guard_admits(&index->guards[id], &scratch->seen) &&
		    step->datasets & event->datasets && could_fit(index, scratch, event, id) &&
		    program_match(step->program, scratch->programs, event))
			out_steps[satisfied++] = id;
	}
	return satisfied;
}

/* Few steps are satisfied by one event. */
static void sort_steps(step_id *steps, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		const step_id step = steps[i];
		size_t at = i;
		for (; at > 0 && steps[at - 1] > step; at--)
			steps[at] = steps[at - 1];
		steps[at] = step;
	}
}

static size_t ask_slot(const struct step_index *index, struct step_scratch *scratch,
		       const struct event *event, const struct slot *slot, step_id *out_steps)
{
	return ask(index, scratch, event, index->entries + slot->first, slot->count, out_steps);
}

static size_t ask_everywhere(const struct step_index *index, struct step_scratch *scratch,
			     const struct event *event, step_id *out_steps)
{
	return ask(index, scratch, event, index->everywhere, index->everywhere_count, out_steps);
}

/* A few rules look at a few fields; the rest of the event need not even be read, and the guards,
 * which would have to, let everything pass. */
static size_t match_few_fields(const struct step_index *index, struct step_scratch *scratch,
			       const struct event *event, step_id *out_steps)
{
	memset(&scratch->seen, 0xff, sizeof(scratch->seen));
	size_t satisfied = ask_everywhere(index, scratch, event, out_steps);
	for (size_t i = 0; i < index->field_count; i++) {
		const uint16_t field = index->few_fields[i];
		size_t count;
		const struct event_value *values = event_find(event, field, &count);
		for (size_t j = 0; j < count; j++) {
			if (values[j].type != VALUE_TEXT)
				continue;
			const struct event_text *text = event_at(event, &values[j]);
			satisfied += ask_slot(index, scratch, event,
					      find_slot(index, field, text->folded_hash),
					      out_steps + satisfied);
		}
	}
	return satisfied;
}

/* What the guards are told of the event, and the slots that its values have. Returns their number.
 */
static size_t see_values(const struct step_index *index, const struct event *event,
			 struct step_guard *out_seen,
			 const struct slot *out_slots[EVENT_VALUES_MAX])
{
	struct step_guard seen = step_guard_begin();
	size_t found = 0;
	for (uint32_t i = 0; i < event->value_count; i++) {
		const struct event_value *value = &event->values[i];
		const struct plan *plan = &index->plans[value->field];
		seen.fields |= UINT64_C(1) << plan->guard_bit;
		if (!plan->read)
			continue;
		if (value->type != VALUE_TEXT) {
			if (plan->kind != GUARD_KIND_NONE)
				seen.kinds[plan->kind] = UINT64_MAX; /* has no hash */
			continue;
		}
		const struct event_text *text = event_at(event, value);
		if (plan->kind != GUARD_KIND_NONE)
			seen.kinds[plan->kind] |= step_guard_value_bit(text->folded_hash);
		if (!plan->keyed)
			continue;
		const struct slot *slot = find_slot(index, value->field, text->folded_hash);
		out_slots[found] = slot;
		found += slot->count > 0;
	}
	*out_seen = seen;
	return found;
}

static size_t match_all_values(const struct step_index *index, struct step_scratch *scratch,
			       const struct event *event, step_id *out_steps)
{
	const struct slot *slots[EVENT_VALUES_MAX];
	const size_t found = see_values(index, event, &scratch->seen, slots);
	size_t satisfied = ask_everywhere(index, scratch, event, out_steps);
	for (size_t i = 0; i < found; i++)
		satisfied += ask_slot(index, scratch, event, slots[i], out_steps + satisfied);
	return satisfied;
}

size_t step_index_match(const struct step_index *index, struct step_scratch *scratch,
			const struct event *event, step_id *out_steps)
{
	begin_event(index, scratch);
	const size_t count = index->field_count <= FEW_FIELDS
				     ? match_few_fields(index, scratch, event, out_steps)
				     : match_all_values(index, scratch, event, out_steps);
	sort_steps(out_steps, count);
	return count;
}
