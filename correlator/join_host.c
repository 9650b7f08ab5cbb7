/* Host events as they go on to the rules: on the wire's time line, with the id of their process;
 * and the parts that every joined event is made with. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/join_parts.h"

static bool begins(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static uint8_t use_of(const char *name)
{
	static const char *const of_process[] = { "process.", "user.", "host.", "agent.",
						  "group." };
	static const char *const own[] = { "@timestamp",     "event.created",  "event.ingested",
					   "event.id",	     "event.original", "event.hash",
					   "event.sequence", "message" };
	uint8_t uses = USE_ANY;
	for (size_t i = 0; i < sizeof(of_process) / sizeof(of_process[0]); i++)
		if (begins(name, of_process[i]))
			uses |= USE_PROCESS;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strcmp(name, own[i]) == 0)
			uses |= USE_OWN;
	return uses;
}

struct joiner *joiner_open(const struct fields *fields, struct counters *counters)
{
	const uint16_t count = fields_count(fields);
	struct joiner *joiner = calloc(1, sizeof(*joiner) + count);
	if (!joiner)
		return NULL;
	joiner->fields = fields;
	joiner->field_count = count;
	for (uint16_t i = 0; i < count; i++)
		joiner->uses[i] = use_of(fields_name(fields, i));
	joiner->builders[SIDE_SOURCE] = event_builder_open(fields, counters);
	joiner->builders[SIDE_DESTINATION] = event_builder_open(fields, counters);
	joiner->host_builder = event_builder_open(fields, counters);
	if (joiner->builders[SIDE_SOURCE] && joiner->builders[SIDE_DESTINATION] &&
	    joiner->host_builder)
		return joiner;
	joiner_close(joiner);
	errno = ENOMEM;
	return NULL;
}

void joiner_close(struct joiner *joiner)
{
	if (!joiner)
		return;
	event_builder_close(joiner->builders[SIDE_SOURCE]);
	event_builder_close(joiner->builders[SIDE_DESTINATION]);
	event_builder_close(joiner->host_builder);
	free(joiner);
}

/* --- small additions -------------------------------------------------------------------------- */

void joiner_add_text(struct event_builder *builder, uint16_t field, const char *text)
{
	event_add_text(builder, field, text, strlen(text));
}

static void add_value(struct event_builder *builder, const struct event *event,
		      const struct event_value *value)
{
	const void *at = event_at(event, value);
	const struct event_text *text = at;
	switch ((enum value_type)value->type) {
	case VALUE_TEXT:
		event_add_text(builder, value->field, text->bytes, text->size_bytes);
		break;
	case VALUE_INTEGER:
		event_add_integer(builder, value->field, *(const int64_t *)at);
		break;
	case VALUE_DOUBLE:
		event_add_double(builder, value->field, *(const double *)at);
		break;
	case VALUE_BOOLEAN:
		event_add_boolean(builder, value->field, *(const int64_t *)at != 0);
		break;
	case VALUE_ADDRESS:
		event_add_address(builder, value->field, at);
		break;
	case VALUE_TIME:
		event_add_time(builder, value->field, *(const uint64_t *)at);
		break;
	}
}

/* Adds the fields that have all of `with` and none of `without`, and that are not there yet. */
void joiner_add_missing(const struct joiner *joiner, struct event_builder *builder,
			const struct event *event, uint8_t with, uint8_t without)
{
	for (uint32_t i = 0; i < event->value_count;) {
		const uint16_t field = event->values[i].field;
		const uint8_t uses = field < joiner->field_count ? joiner->uses[field] : USE_ANY;
		const bool wanted = (uses & with) == with && (uses & without) == 0 &&
				    !event_has(builder, field);
		for (; i < event->value_count && event->values[i].field == field; i++)
			if (wanted)
				add_value(builder, event, &event->values[i]);
	}
}

/* The process, from its start events, else from where it was first seen. Returns their datasets. */
uint32_t joiner_add_process(struct joiner *joiner, struct event_builder *builder,
			    const struct world *world, uint32_t slot)
{
	const struct process *process = process_table_at(world->processes, slot);
	char id[ENTITY_ID_MAX + 1];
	const size_t id_bytes = process_entity_id(process, world->hosts, id);
	event_add_text(builder, FIELD_process_entity_id, id, id_bytes);
	event_add_integer(builder, FIELD_process_pid, process->pid);
	struct process_start starts[PROCESS_STARTS_MAX];
	const size_t count = process_table_starts(world->processes, slot, starts);
	uint32_t datasets = 0;
	for (size_t i = 0; i < count; i++) {
		const struct event *event =
			cell_store_get(world->store, starts[i].event, &joiner->buffer);
		datasets |= event->datasets;
		joiner_add_missing(joiner, builder, event, USE_PROCESS, USE_OWN);
	}
	const uint32_t sighting = process->kept[KEPT_SIGHTING].event;
	if (sighting != CELL_NONE) {
		const struct event *event = cell_store_get(world->store, sighting, &joiner->buffer);
		datasets |= event->datasets;
		joiner_add_missing(joiner, builder, event, USE_PROCESS, USE_OWN);
	}
	return datasets;
}

uint64_t join_process_start_ns(const struct world *world, uint32_t process)
{
	struct process_start starts[PROCESS_STARTS_MAX];
	const size_t count = process_table_starts(world->processes, process, starts);
	uint64_t earliest_ns = 0;
	for (size_t i = 0; i < count; i++)
		if (earliest_ns == 0 || starts[i].wire_ns < earliest_ns)
			earliest_ns = starts[i].wire_ns;
	return earliest_ns;
}

static uint64_t identity_of_start(const char *entity_id, size_t size_bytes)
{
	static const struct hash_seed seed = { { 0x70726f6373746172U, 0xbf58476d1ce4e5b9U } };
	return hash_bytes(&seed, entity_id, size_bytes);
}

static void add_parent_id(struct event_builder *builder, const struct world *world,
			  const struct process *process, const struct event *event)
{
	int64_t parent_pid;
	if (event_has(builder, FIELD_process_parent_entity_id) ||
	    !event_integer(event, FIELD_process_parent_pid, &parent_pid) ||
	    !event_wants(builder, FIELD_process_parent_entity_id))
		return;
	bool exact;
	const uint64_t start_ns = process_start_wire_ns(process, world->hosts, &exact);
	const struct event_text *image = event_text(event, FIELD_process_parent_executable);
	const uint32_t slot = process_table_find_living(
		world->processes, process->host, parent_pid,
		image ? process_image_tail(image->bytes, image->size_bytes) : 0, start_ns);
	if (slot == NO_SLOT)
		return;
	char id[ENTITY_ID_MAX + 1];
	const size_t id_bytes =
		process_entity_id(process_table_at(world->processes, slot), world->hosts, id);
	event_add_text(builder, FIELD_process_parent_entity_id, id, id_bytes);
}

const struct event *join_process_start(struct joiner *joiner, const struct world *world,
				       uint32_t slot)
{
	struct event_builder *builder = joiner->host_builder;
	const struct process *process = process_table_at(world->processes, slot);
	struct process_start starts[PROCESS_STARTS_MAX];
	const size_t count = process_table_starts(world->processes, slot, starts);
	if (count == 0)
		return NULL;
	char id[ENTITY_ID_MAX + 1];
	const size_t id_bytes = process_entity_id(process, world->hosts, id);
	event_begin(builder);
	event_add_text(builder, FIELD_process_entity_id, id, id_bytes);
	struct event header = { 0 };
	for (size_t i = 0; i < count; i++) {
		const struct event *event =
			cell_store_get(world->store, starts[i].event, &joiner->buffer);
		if (i == 0)
			header = *event;
		header.datasets |= event->datasets;
		joiner_add_missing(joiner, builder, event, USE_ANY, USE_ANY);
		add_parent_id(builder, world, process, event);
	}
	header.time_ns = join_process_start_ns(world, slot);
	header.identity = identity_of_start(id, id_bytes);
	struct event *out = event_header(builder);
	out->role = EVENT_PROCESS_START;
	out->datasets = header.datasets;
	out->time_ns = header.time_ns;
	out->host_time_ns = header.host_time_ns ? header.host_time_ns : process->start_label_ns;
	out->received_ns = header.received_ns;
	out->tiebreaker = header.tiebreaker;
	out->identity = header.identity;
	if (!event_has(builder, FIELD_procspan_host_time))
		event_add_time(builder, FIELD_procspan_host_time, out->host_time_ns);
	return event_end(builder);
}

const struct event *join_host_event(struct joiner *joiner, const struct world *world,
				    const struct event *event, uint32_t process, uint64_t wire_ns)
{
	struct event_builder *builder = joiner->host_builder;
	event_begin(builder);
	struct event *header = event_header(builder);
	header->role = event->role;
	header->datasets = event->datasets;
	header->time_ns = wire_ns;
	header->host_time_ns = event->host_time_ns;
	header->received_ns = event->received_ns;
	header->tiebreaker = event->tiebreaker;
	header->identity = event->identity;
	if (process != NO_SLOT && !event_text(event, FIELD_process_entity_id)) {
		const struct process_choice choice =
			process_table_resolve(world->processes, process, wire_ns);
		char id[ENTITY_ID_MAX + 1];
		const size_t id_bytes = process_entity_id(
			process_table_at(world->processes, choice.slot), world->hosts, id);
		event_add_text(builder, FIELD_process_entity_id, id, id_bytes);
	}
	joiner_add_missing(joiner, builder, event, USE_ANY, USE_ANY);
	return event_end(builder);
}

size_t joiner_bytes(const struct joiner *joiner)
{
	return sizeof(*joiner) + joiner->field_count;
}
