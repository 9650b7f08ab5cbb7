#include "collector/event.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"

/* Values are collected unsorted, with their bytes in `heap`; event_end sorts the values (by field,
 * equal fields in the order added) and writes the packed event into `packed`. */
struct event_builder {
	const struct fields *fields;
	struct counters *counters;
	uint32_t value_count;
	uint32_t heap_bytes;
	struct event_value values[EVENT_VALUES_MAX];
	_Alignas(8) char heap[EVENT_SIZE_MAX];
	_Alignas(8) char packed[sizeof(struct event) +
				sizeof(struct event_value) * EVENT_VALUES_MAX + EVENT_SIZE_MAX];
};

static_assert(sizeof(struct event) == 56 && sizeof(struct event_value) == 8, "no hidden padding");

const struct event_value *event_find(const struct event *event, uint16_t field, size_t *out_count)
{
	size_t low = 0;
	size_t high = event->value_count;
	while (low < high) { /* the first value whose field is not below the wanted one */
		const size_t middle = (low + high) / 2;
		if (event->values[middle].field < field)
			low = middle + 1;
		else
			high = middle;
	}
	size_t count = 0;
	while (low + count < event->value_count && event->values[low + count].field == field)
		count++;
	if (out_count)
		*out_count = count;
	return count ? &event->values[low] : NULL;
}

const struct event_text *event_text(const struct event *event, uint16_t field)
{
	const struct event_value *value = event_find(event, field, NULL);
	return value && value->type == VALUE_TEXT ? event_at(event, value) : NULL;
}

const struct ip_address *event_address(const struct event *event, uint16_t field)
{
	const struct event_value *value = event_find(event, field, NULL);
	return value && value->type == VALUE_ADDRESS ? event_at(event, value) : NULL;
}

bool event_integer(const struct event *event, uint16_t field, int64_t *out_integer)
{
	const struct event_value *value = event_find(event, field, NULL);
	if (!value || (value->type != VALUE_INTEGER && value->type != VALUE_TIME))
		return false;
	*out_integer = *(const int64_t *)event_at(event, value);
	return true;
}

struct event_builder *event_builder_open(const struct fields *fields, struct counters *counters)
{
	struct event_builder *builder = malloc(sizeof(*builder));
	if (!builder)
		return NULL;
	builder->fields = fields;
	builder->counters = counters;
	event_begin(builder);
	return builder;
}

void event_builder_close(struct event_builder *builder)
{
	free(builder);
}

void event_begin(struct event_builder *builder)
{
	struct event *header = event_header(builder);
	memset(header, 0, sizeof(*header));
	header->record_kind = RECORD_EVENT;
	header->tiebreaker = UINT64_MAX;
	builder->value_count = 0;
	builder->heap_bytes = 0;
}

struct event *event_header(struct event_builder *builder)
{
	return (void *)builder->packed;
}

bool event_wants(const struct event_builder *builder, uint16_t field)
{
	return field != FIELD_NONE && fields_wanted(builder->fields, field);
}

/* Room for one value of `size_bytes` bytes, or NULL when nobody wants it or the event is full. */
static void *add_value(struct event_builder *builder, uint16_t field, enum value_type type,
		       size_t size_bytes)
{
	if (!event_wants(builder, field))
		return NULL;
	if (builder->value_count == EVENT_VALUES_MAX ||
	    size_bytes > EVENT_SIZE_MAX - builder->heap_bytes) {
		counter_add(builder->counters, COUNTER_event_values_cut, 1);
		return NULL;
	}
	builder->values[builder->value_count++] = (struct event_value){
		.field = field,
		.type = (uint8_t)type,
		.at_bytes = builder->heap_bytes,
	};
	void *room = builder->heap + builder->heap_bytes;
	builder->heap_bytes += (uint32_t)((size_bytes + 7) & ~(size_t)7);
	return room;
}

/* The largest size of at most `limit` at which UTF-8 text may be cut. */
static size_t cut_utf8(const char *text, size_t limit)
{
	while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80)
		limit--;
	return limit;
}

void event_add_text(struct event_builder *builder, uint16_t field, const char *text,
		    size_t size_bytes)
{
	if (size_bytes > EVENT_TEXT_MAX && event_wants(builder, field)) {
		size_bytes = cut_utf8(text, EVENT_TEXT_MAX);
		counter_add(builder->counters, COUNTER_event_values_cut, 1);
	}
	struct event_text *value =
		add_value(builder, field, VALUE_TEXT, sizeof(*value) + size_bytes + 1);
	if (!value)
		return;
	value->size_bytes = (uint32_t)size_bytes;
	value->folded_hash = hash_folded_text(text, size_bytes);
	memcpy(value->bytes, text, size_bytes);
	value->bytes[size_bytes] = '\0';
}

void event_add_integer(struct event_builder *builder, uint16_t field, int64_t integer)
{
	int64_t *value = add_value(builder, field, VALUE_INTEGER, sizeof(*value));
	if (value)
		*value = integer;
}

void event_add_double(struct event_builder *builder, uint16_t field, double number)
{
	double *value = add_value(builder, field, VALUE_DOUBLE, sizeof(*value));
	if (value)
		*value = number;
}

void event_add_boolean(struct event_builder *builder, uint16_t field, bool truth)
{
	int64_t *value = add_value(builder, field, VALUE_BOOLEAN, sizeof(*value));
	if (value)
		*value = truth;
}

void event_add_address(struct event_builder *builder, uint16_t field,
		       const struct ip_address *address)
{
	struct ip_address *value = add_value(builder, field, VALUE_ADDRESS, sizeof(*value));
	if (value)
		*value = *address;
}

void event_add_time(struct event_builder *builder, uint16_t field, uint64_t unix_ns)
{
	uint64_t *value = add_value(builder, field, VALUE_TIME, sizeof(*value));
	if (value)
		*value = unix_ns;
}

/* Decimal with an optional sign, or 0x and hexadecimal digits; the whole text. */
static bool parse_integer(const char *text, size_t size_bytes, int64_t *out_integer)
{
	char copy[24];
	if (size_bytes == 0 || size_bytes >= sizeof(copy))
		return false;
	memcpy(copy, text, size_bytes);
	copy[size_bytes] = '\0';
	const bool hexadecimal = copy[0] == '0' && (copy[1] == 'x' || copy[1] == 'X');
	if (!hexadecimal && copy[0] != '-' && (copy[0] < '0' || copy[0] > '9'))
		return false;
	char *end = NULL;
	errno = 0;
	const int64_t integer =
		hexadecimal ? (int64_t)strtoull(copy, &end, 16) : strtoll(copy, &end, 10);
	if (errno != 0 || end != copy + size_bytes || (hexadecimal && size_bytes == 2))
		return false;
	*out_integer = integer;
	return true;
}

static bool parse_double(const char *text, size_t size_bytes, double *out_number)
{
	char copy[64];
	if (size_bytes == 0 || size_bytes >= sizeof(copy))
		return false;
	memcpy(copy, text, size_bytes);
	copy[size_bytes] = '\0';
	char *end = NULL;
	const double number = strtod(copy, &end);
	if (end != copy + size_bytes || !isfinite(number))
		return false;
	*out_number = number;
	return true;
}

static bool parse_boolean(const char *text, size_t size_bytes, bool *out_truth)
{
	const bool is_true = size_bytes == 4 && strncasecmp(text, "true", 4) == 0;
	const bool is_false = size_bytes == 5 && strncasecmp(text, "false", 5) == 0;
	if (is_true || is_false)
		*out_truth = is_true;
	return is_true || is_false;
}

bool event_add_as_field_type(struct event_builder *builder, uint16_t field, const char *text,
			     size_t size_bytes)
{
	if (!event_wants(builder, field))
		return true;
	int64_t integer;
	double number;
	bool truth;
	struct ip_address address;
	uint64_t unix_ns;
	switch (fields_type(builder->fields, field)) {
	case FIELD_TYPE_LONG:
		if (!parse_integer(text, size_bytes, &integer))
			return false;
		event_add_integer(builder, field, integer);
		return true;
	case FIELD_TYPE_DOUBLE:
		if (!parse_double(text, size_bytes, &number))
			return false;
		event_add_double(builder, field, number);
		return true;
	case FIELD_TYPE_BOOLEAN:
		if (!parse_boolean(text, size_bytes, &truth))
			return false;
		event_add_boolean(builder, field, truth);
		return true;
	case FIELD_TYPE_IP:
		if (!ip_address_parse(text, size_bytes, &address))
			return false;
		event_add_address(builder, field, &address);
		return true;
	case FIELD_TYPE_DATE:
		if (!time_parse_iso8601(text, size_bytes, &unix_ns))
			return false;
		event_add_time(builder, field, unix_ns);
		return true;
	case FIELD_TYPE_KEYWORD:
	case FIELD_TYPE_ANY:
		event_add_text(builder, field, text, size_bytes);
		return true;
	}
	return false;
}

bool event_has(const struct event_builder *builder, uint16_t field)
{
	for (uint32_t i = 0; i < builder->value_count; i++)
		if (builder->values[i].field == field)
			return true;
	return false;
}

static size_t value_bytes(const struct event *event, const struct event_value *value)
{
	if (value->type == VALUE_ADDRESS)
		return sizeof(struct ip_address);
	if (value->type != VALUE_TEXT)
		return sizeof(int64_t);
	const struct event_text *text = event_at(event, value);
	return sizeof(*text) + text->size_bytes + 1;
}

void event_add_missing_from(struct event_builder *builder, const struct event *event)
{
	const uint32_t own_count = builder->value_count;
	for (uint32_t i = 0; i < event->value_count; i++) {
		const struct event_value *value = &event->values[i];
		bool own = false;
		for (uint32_t j = 0; j < own_count && !own; j++)
			own = builder->values[j].field == value->field;
		if (own)
			continue;
		const size_t size_bytes = value_bytes(event, value);
		void *room =
			add_value(builder, value->field, (enum value_type)value->type, size_bytes);
		if (room)
			memcpy(room, event_at(event, value), size_bytes);
	}
}

/* Insertion sort: stable, and dialects add their few dozen values nearly in order. */
static void sort_values(struct event_value *values, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		const struct event_value value = values[i];
		uint32_t at = i;
		for (; at > 0 && values[at - 1].field > value.field; at--)
			values[at] = values[at - 1];
		values[at] = value;
	}
}

const struct event *event_end(struct event_builder *builder)
{
	sort_values(builder->values, builder->value_count);
	const uint32_t heap_at = (uint32_t)(sizeof(struct event) +
					    builder->value_count * sizeof(struct event_value));
	struct event *event = event_header(builder);
	event->value_count = (uint16_t)builder->value_count;
	event->size_bytes = heap_at + builder->heap_bytes;
	for (uint32_t i = 0; i < builder->value_count; i++) {
		event->values[i] = builder->values[i];
		event->values[i].at_bytes += heap_at;
	}
	memcpy(builder->packed + heap_at, builder->heap, builder->heap_bytes);
	return event;
}

/* --- datasets --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *indices[4]; /* NULL after the last */
} datasets[DATASET_COUNT] = {
#define DATASET(identifier, name, ...) { name, { __VA_ARGS__ } },
#include "collector/datasets.def"
#undef DATASET
};

const char *dataset_name(enum dataset dataset)
{
	return datasets[dataset].name;
}

/* Index patterns know one wildcard, `*`. */
static bool pattern_matches(const char *pattern, size_t size_bytes, const char *name)
{
	if (size_bytes == 0)
		return *name == '\0';
	if (*pattern != '*')
		return *name == *pattern && pattern_matches(pattern + 1, size_bytes - 1, name + 1);
	for (;; name++) {
		if (pattern_matches(pattern + 1, size_bytes - 1, name))
			return true;
		if (*name == '\0')
			return false;
	}
}

uint32_t datasets_of_index_pattern(const char *pattern, size_t size_bytes)
{
	enum { PATTERN_MAX = 128 }; /* bounds the recursion; no index name is longer */
	uint32_t found = 0;
	if (size_bytes > PATTERN_MAX)
		return 0;
	for (int i = 0; i < DATASET_COUNT; i++)
		for (int j = 0; j < 4 && datasets[i].indices[j]; j++)
			if (pattern_matches(pattern, size_bytes, datasets[i].indices[j]))
				found |= 1U << i;
	return found;
}
