#include "collector/input/positional.h"

#include <stdio.h>
#include <string.h>

#include "collector/input/mapping.h"

/* One known order: names separated by commas. */
struct order {
	const char *provider;
	int32_t event_id;
	size_t count;
	const char *names;
};

static const struct order orders[] = {
#define ORDER(provider, event_id, count, names) { provider, event_id, count, names },
#include "collector/input/positional.def"
#undef ORDER
};

/* The provider's and id's order with as many values: versions differ in how many they have. */
static const struct order *order_of(const struct raw_event *raw)
{
	int64_t event_id;
	if (!raw_integer(raw_get(raw, RAW_event_id), &event_id))
		return NULL;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		if (orders[i].event_id == event_id && orders[i].count == raw->insert_count &&
		    raw_equals(raw_get(raw, RAW_provider), orders[i].provider))
			return &orders[i];
	return NULL;
}

static void name_value(struct raw_event *raw, const struct keys *keys, const char *name,
		       size_t size_bytes, const struct raw_value *value)
{
	const struct key_meaning *meaning = keys_find(keys, KEY_NODE_DATA, name, size_bytes);
	if (meaning && meaning->slot != RAW_NONE)
		raw_set(raw, meaning->slot, value);
}

void positional_name_values(struct raw_event *raw, const struct keys *keys)
{
	if (raw->insert_count == 0)
		return;
	const struct order *order = raw->has_data ? NULL : order_of(raw);
	const char *name = order ? order->names : NULL;
	raw->has_data = true;
	for (size_t i = 0; i < raw->insert_count; i++) {
		char number[16];
		if (order) {
			const size_t size_bytes = strcspn(name, ",");
			name_value(raw, keys, name, size_bytes, &raw->inserts[i]);
			name += size_bytes + (name[size_bytes] == ',');
			continue;
		}
		const int size = snprintf(number, sizeof(number), "param%zu", i + 1);
		name_value(raw, keys, number, (size_t)size, &raw->inserts[i]);
	}
}
