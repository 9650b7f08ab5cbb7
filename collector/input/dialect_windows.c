/* Any other channel of the Windows event log: generic, with its winlog.* fields. */
#include "collector/input/mapping.h"

static bool matches(const struct raw_event *raw)
{
	return raw_get(raw, RAW_event_id) &&
	       (raw_get(raw, RAW_channel) || raw_get(raw, RAW_provider) ||
		raw_get(raw, RAW_computer));
}

static void map(struct mapping *mapping)
{
	mapping->header->datasets |= 1U << DATASET_windows;
	event_add_time(mapping->builder, FIELD_timestamp, mapping->header->host_time_ns);
	map_text(mapping, FIELD_user_id, RAW_user_sid);
}

const struct dialect dialect_windows = { "windows", matches, map };
