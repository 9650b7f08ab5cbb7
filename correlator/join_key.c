#include "correlator/join_key.h"

#include <math.h>
#include <string.h>

#include "collector/base/hash.h"

/* Fixed: keys go into the identity of a match, which is the same in every run. */
static const struct hash_seed seeds[2] = {
	{ { 0x243f6a8885a308d3U, 0x13198a2e03707344U } },
	{ { 0xa4093822299f31d0U, 0x082efa98ec4e6c89U } },
};

/* What a value is, whatever C type holds it. */
enum kind {
	KIND_NULL,
	KIND_NUMBER,
	KIND_FRACTION,
	KIND_BOOLEAN,
	KIND_TIME,
	KIND_TEXT,
	KIND_ADDRESS
};

struct key_value {
	enum kind kind;
	const void *bytes;
	size_t size_bytes;
	int64_t integer; /* of numbers without a fraction */
};

static struct key_value number_of(const struct event *event, const struct event_value *value)
{
	const double *number = event_at(event, value);
	const bool whole = *number >= -0x1p62 && *number <= 0x1p62 && trunc(*number) == *number;
	if (whole)
		return (struct key_value){ .kind = KIND_NUMBER, .integer = (int64_t)*number };
	return (struct key_value){ KIND_FRACTION, number, sizeof(*number), 0 };
}

static struct key_value value_of(const struct event *event, const struct event_value *value)
{
	if (!value)
		return (struct key_value){ .kind = KIND_NULL };
	const void *at = event_at(event, value);
	const struct event_text *text = at;
	switch ((enum value_type)value->type) {
	case VALUE_TEXT:
		return (struct key_value){ KIND_TEXT, text->bytes, text->size_bytes, 0 };
	case VALUE_DOUBLE:
		return number_of(event, value);
	case VALUE_INTEGER:
		return (struct key_value){ .kind = KIND_NUMBER, .integer = *(const int64_t *)at };
	case VALUE_BOOLEAN:
		return (struct key_value){ .kind = KIND_BOOLEAN, .integer = *(const int64_t *)at };
	case VALUE_TIME:
		return (struct key_value){ .kind = KIND_TIME, .integer = *(const int64_t *)at };
	case VALUE_ADDRESS:
		return (struct key_value){ KIND_ADDRESS, at, sizeof(struct ip_address), 0 };
	}
	return (struct key_value){ .kind = KIND_NULL };
}

static struct join_key digest_of(const struct event *event, const struct event_value *value)
{
	const struct key_value key = value_of(event, value);
	const void *bytes = key.bytes ? key.bytes : &key.integer;
	const size_t size_bytes = key.bytes ? key.size_bytes : sizeof(key.integer);
	struct join_key digest;
	for (int i = 0; i < 2; i++) {
		struct hash_seed seed = seeds[i];
		seed.words[0] ^= (uint64_t)key.kind;
		digest.words[i] = hash_bytes(&seed, bytes, size_bytes);
	}
	return digest;
}

/* The values of each key field, and a position in each: an odometer over all combinations. */
struct combinations {
	size_t field_count;
	const struct event_value *values[RULE_KEYS_MAX];
	size_t counts[RULE_KEYS_MAX]; /* 0 = null */
	size_t at[RULE_KEYS_MAX];
};

/* False: a mandatory field is null. */
static bool begin(struct combinations *all, const struct event *event,
		  const struct rule_key *fields, size_t field_count)
{
	all->field_count = field_count;
	for (size_t i = 0; i < field_count; i++) {
		all->values[i] = event_find(event, fields[i].field, &all->counts[i]);
		all->at[i] = 0;
		if (all->counts[i] == 0 && !fields[i].optional)
			return false;
	}
	return true;
}

/* False after the last one. The last field turns fastest. */
static bool next(struct combinations *all)
{
	for (size_t i = all->field_count; i-- > 0;) {
		if (++all->at[i] < all->counts[i])
			return true;
		all->at[i] = 0;
	}
	return false;
}

static const struct event_value *value_at(const struct combinations *all, size_t field)
{
	return all->counts[field] ? &all->values[field][all->at[field]] : NULL;
}

static struct join_key key_of(const struct combinations *all, const struct event *event)
{
	struct join_key digests[RULE_KEYS_MAX] = { 0 };
	for (size_t i = 0; i < all->field_count; i++)
		digests[i] = digest_of(event, value_at(all, i));
	if (all->field_count <= 1)
		return digests[0];
	const size_t size_bytes = all->field_count * sizeof(digests[0]);
	return (struct join_key){ { hash_bytes(&seeds[0], digests, size_bytes),
				    hash_bytes(&seeds[1], digests, size_bytes) } };
}

size_t join_keys_make(const struct event *event, const struct rule_key *fields, size_t field_count,
		      struct join_key *out_keys, bool *out_cut)
{
	struct combinations all;
	size_t count = 0;
	size_t tried_count = 0;
	if (!begin(&all, event, fields, field_count))
		return 0;
	do {
		if (tried_count++ == JOIN_KEYS_MAX) {
			*out_cut = true;
			break;
		}
		const struct join_key key = key_of(&all, event);
		size_t same = 0;
		while (same < count && !join_key_equal(&out_keys[same], &key))
			same++;
		out_keys[same] = key;
		count += same == count;
	} while (next(&all));
	return count;
}

bool join_key_values(const struct event *event, const struct rule_key *fields, size_t field_count,
		     const struct join_key *key, const struct event_value **out_values)
{
	struct combinations all;
	if (!begin(&all, event, fields, field_count))
		return false;
	size_t tried_count = 0;
	do {
		const struct join_key tried = key_of(&all, event);
		if (!join_key_equal(&tried, key))
			continue;
		for (size_t i = 0; i < field_count; i++)
			out_values[i] = value_at(&all, i);
		return true;
	} while (++tried_count < JOIN_KEYS_MAX && next(&all));
	return false;
}

static double as_number(const struct key_value *value)
{
	double number;
	if (value->kind != KIND_FRACTION)
		return (double)value->integer;
	memcpy(&number, value->bytes, sizeof(number));
	return number;
}

static bool is_number(const struct key_value *value)
{
	return value->kind == KIND_NUMBER || value->kind == KIND_FRACTION;
}

int join_value_compare(const struct event *left_event, const struct event_value *left,
		       const struct event *right_event, const struct event_value *right)
{
	const struct key_value a = value_of(left_event, left);
	const struct key_value b = value_of(right_event, right);
	if (is_number(&a) && is_number(&b) && a.kind != b.kind)
		return as_number(&a) < as_number(&b) ? -1 : 1;
	if (a.kind != b.kind)
		return a.kind < b.kind ? -1 : 1;
	if (a.kind == KIND_FRACTION) {
		const double difference = as_number(&a) - as_number(&b);
		return (difference > 0) - (difference < 0);
	}
	if (!a.bytes)
		return (a.integer > b.integer) - (a.integer < b.integer);
	const size_t common = a.size_bytes < b.size_bytes ? a.size_bytes : b.size_bytes;
	const int order = memcmp(a.bytes, b.bytes, common);
	return order ? order : (a.size_bytes > b.size_bytes) - (a.size_bytes < b.size_bytes);
}
