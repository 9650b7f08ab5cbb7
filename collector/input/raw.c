#include "collector/input/raw.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "collector/input/json.h"

struct raw_event *raw_open(void)
{
	return calloc(1, sizeof(struct raw_event));
}

void raw_close(struct raw_event *raw)
{
	if (!raw)
		return;
	free(raw->store);
	free(raw);
}

bool raw_begin(struct raw_event *raw, size_t store_bytes)
{
	for (size_t i = 0; i < raw->touched_count; i++)
		raw->values[raw->touched[i]].kind = RAW_ABSENT;
	raw->touched_count = 0;
	raw->ecs_count = 0;
	raw->insert_count = 0;
	raw->left_out_count = 0;
	raw->has_data = false;
	raw->embedded.kind = RAW_ABSENT;
	raw->store_used_bytes = 0;
	if (store_bytes <= raw->store_bytes)
		return true;
	char *larger = malloc(store_bytes);
	if (!larger)
		return false;
	free(raw->store);
	raw->store = larger;
	raw->store_bytes = store_bytes;
	return true;
}

char *raw_store(struct raw_event *raw, size_t size_bytes)
{
	if (size_bytes > raw->store_bytes - raw->store_used_bytes)
		return NULL;
	char *room = raw->store + raw->store_used_bytes;
	raw->store_used_bytes += size_bytes;
	return room;
}

/* Inside EventData beats flat. Among flat ones a text beats a number: OpenWEC's nxlog format has
 * the logging process as "ProcessID":780 beside EventData's "ProcessId":"0x5c8". */
static bool replaces(const struct raw_value *have, const struct raw_value *value)
{
	if (!have->flat)
		return false;
	return !value->flat || (have->kind == RAW_NUMBER && value->kind != RAW_NUMBER);
}

void raw_set(struct raw_event *raw, uint16_t slot, const struct raw_value *value)
{
	struct raw_value *have = &raw->values[slot];
	if (have->kind == RAW_ABSENT)
		raw->touched[raw->touched_count++] = slot;
	else if (!replaces(have, value))
		return;
	*have = *value;
}

void raw_add_ecs(struct raw_event *raw, uint16_t field, const struct raw_value *value)
{
	if (raw->ecs_count == RAW_ECS_MAX) {
		raw->left_out_count++;
		return;
	}
	raw->ecs[raw->ecs_count++] = (struct raw_ecs_value){ .field = field, .value = *value };
}

void raw_add_insert(struct raw_event *raw, const struct raw_value *value)
{
	if (raw->insert_count == RAW_INSERTS_MAX) {
		raw->left_out_count++;
		return;
	}
	raw->inserts[raw->insert_count++] = *value;
}

void raw_decode(const struct raw_event *raw, struct raw_value *value)
{
	if (value->kind != RAW_UNDECODED)
		return;
	value->kind = RAW_TEXT;
	if (!memchr(value->text, '\\', value->size_bytes))
		return;
	/* decoding is a cache of what the event says: readers may not see it, so may do it */
	char *room = raw_store((struct raw_event *)(uintptr_t)raw, value->size_bytes);
	if (!room) {
		value->size_bytes = 0;
		return;
	}
	value->size_bytes = (uint32_t)json_decode_string(value->text, value->size_bytes, room);
	value->text = room;
}

const struct raw_value *raw_get(const struct raw_event *raw, uint16_t slot)
{
	struct raw_value *value = (struct raw_value *)(uintptr_t)&raw->values[slot];
	if (value->kind == RAW_ABSENT || value->size_bytes == 0 || (value->flat && raw->has_data))
		return NULL;
	if (value->size_bytes == 1 && value->text[0] == '-')
		return NULL;
	raw_decode(raw, value);
	return value;
}

bool raw_equals(const struct raw_value *value, const char *text)
{
	const size_t size_bytes = strlen(text);
	return value && value->size_bytes == size_bytes &&
	       strncasecmp(value->text, text, size_bytes) == 0;
}
