/* join_parts.h: what the files of the joiner share. Private to join*.c. */
#pragma once

#include "correlator/join.h"

/* What a field is to a joined event. */
enum field_use {
	USE_ANY = 0,
	USE_PROCESS = 1 << 0, /* goes with the process: from its start event */
	USE_OWN = 1 << 1,     /* the joined event says this itself, or not at all */
};

struct joiner {
	const struct fields *fields;
	struct event_builder *builders[SIDES];
	struct event_builder *host_builder;
	struct event_buffer buffer;
	uint16_t field_count;
	uint8_t uses[]; /* bits of enum field_use, per field */
};

void joiner_add_text(struct event_builder *builder, uint16_t field, const char *text);

/* Adds the fields of the event that have all uses of `with` and none of `without`, unless they are
 * there already. */
void joiner_add_missing(const struct joiner *joiner, struct event_builder *builder,
			const struct event *event, uint8_t with, uint8_t without);

/* The process, from its start events, else from where it was first seen. Returns their datasets. */
uint32_t joiner_add_process(struct joiner *joiner, struct event_builder *builder,
			    const struct world *world, uint32_t slot);
