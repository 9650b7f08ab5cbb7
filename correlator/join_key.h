/* join_key.h: the values that join the events of a sequence, as a number and as values.
 *
 * Values are compared by what they are, not by the field that holds them: text exactly, numbers as
 * numbers (1 and 1.0 are equal, 1 and "1" are not), addresses in their canonical form. An optional
 * key without a value is null, and null equals null. Of a field with several values each distinct
 * one makes a key of its own, so that several such fields make every combination.
 *
 * A key is 128 bits of SipHash of the values with fixed seeds: equal in every run.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/event.h"
#include "rules/rule.h"

struct join_key {
	uint64_t words[2];
};

enum { JOIN_KEYS_MAX = 256 }; /* combinations of one event; more are left out */

static inline bool join_key_equal(const struct join_key *left, const struct join_key *right)
{
	return left->words[0] == right->words[0] && left->words[1] == right->words[1];
}

/* Every distinct key of an event into `out_keys` (room for JOIN_KEYS_MAX); none when a mandatory
 * field is null. *out_cut is set when some were left out. */
size_t join_keys_make(const struct event *event, const struct rule_key *fields, size_t field_count,
		      struct join_key *out_keys, bool *out_cut);

/* The values that make up `key`, one per field, NULL for null. False: the event has no such key. */
bool join_key_values(const struct event *event, const struct rule_key *fields, size_t field_count,
		     const struct join_key *key, const struct event_value **out_values);

/* Orders values as Elasticsearch sorts keys: null first, then by value. Negative, 0, positive. */
int join_value_compare(const struct event *left_event, const struct event_value *left,
		       const struct event *right_event, const struct event_value *right);
