/* Any bytes as one JSON host event: no crash, no hang, and every event is well formed. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/input/normaliser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct counters counters;

static struct normaliser *open_once(void)
{
	static struct normaliser *normaliser;
	if (normaliser)
		return normaliser;
	struct fields *fields = fields_open();
	fields_want_all(fields);
	normaliser = normaliser_open(fields, &counters);
	return normaliser;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct event *event = NULL;
	char *text = malloc(size + NORMALISER_PADDING);
	memcpy(text, data, size);
	memset(text + size, ' ', NORMALISER_PADDING);
	if (normaliser_json(open_once(), text, size, 0, &event) == NORMALISED) {
		assert(event->time_ns != 0 && event->size_bytes % 8 == 0);
		for (uint16_t i = 1; i < event->value_count; i++)
			assert(event->values[i - 1].field <= event->values[i].field);
	}
	free(text);
	return 0;
}
