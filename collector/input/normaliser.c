#include "collector/input/normaliser.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"
#include "collector/input/carrier.h"
#include "collector/input/json.h"
#include "collector/input/keys.h"
#include "collector/input/mapping.h"
#include "collector/input/positional.h"

_Static_assert((int)NORMALISER_PADDING >= (int)JSON_PADDING, "the parser reads past its text");

struct normaliser {
	const struct fields *fields;
	struct counters *counters;
	struct keys *keys;
	struct carrier_json *json;
	struct carrier_xml *xml;
	struct raw_event *raw;
	struct event_builder *builder;
	bool skip_ecs[RAW_ECS_MAX]; /* a dialect has set the field itself */
};

/* Identities must be equal from run to run, so their hash has a fixed seed. Who can choose them
 * can at most make his own events look like each other's copies. */
static const struct hash_seed identity_seed = { { 0x70726f637370616e, 0x6964656e74697479 } };

enum { NS_PER_MS = 1000000 };

static const struct shape {
	const char *name;
	uint16_t evidence;
	uint16_t times[2];
	uint16_t received[2];
} shapes[] = {
#define SHAPE(name, evidence, time, time2, received, received2)                                    \
	{ #name, RAW_##evidence, { RAW_##time, RAW_##time2 }, { RAW_##received, RAW_##received2 } },
#include "collector/input/shapes.def"
#undef SHAPE
};

static const struct dialect *const dialects[] = {
#define DIALECT(name) &dialect_##name,
#include "collector/input/dialects.def"
#undef DIALECT
};

/* Where a raw value about the record goes, by slot. */
static const uint16_t record_fields[RAW_KNOWN_COUNT] = {
#define RAW(identifier, field) [RAW_##identifier] = FIELD_##field,
#define DATA(identifier, leaf) [RAW_##identifier] = FIELD_NONE,
#include "collector/input/raw.def"
#undef RAW
#undef DATA
};

struct normaliser *normaliser_open(const struct fields *fields, struct counters *counters)
{
	struct normaliser *normaliser = calloc(1, sizeof(*normaliser));
	if (!normaliser)
		return NULL;
	normaliser->fields = fields;
	normaliser->counters = counters;
	normaliser->raw = raw_open();
	normaliser->builder = event_builder_open(fields, counters);
	normaliser->keys = keys_open(fields);
	if (normaliser->keys) {
		normaliser->json = carrier_json_open(normaliser->keys);
		normaliser->xml = carrier_xml_open(normaliser->keys);
	}
	if (normaliser->raw && normaliser->builder && normaliser->json && normaliser->xml)
		return normaliser;
	normaliser_close(normaliser);
	errno = ENOMEM;
	return NULL;
}

void normaliser_close(struct normaliser *normaliser)
{
	if (!normaliser)
		return;
	carrier_xml_close(normaliser->xml);
	carrier_json_close(normaliser->json);
	keys_close(normaliser->keys);
	event_builder_close(normaliser->builder);
	raw_close(normaliser->raw);
	free(normaliser);
}

/* The first of two times that the event has and that is one. */
static uint64_t first_time(const struct raw_event *raw, const uint16_t slots[2])
{
	uint64_t unix_ns;
	for (int i = 0; i < 2; i++)
		if (slots[i] != RAW_NONE && raw_time(raw_get(raw, slots[i]), &unix_ns))
			return unix_ns;
	return 0;
}

static const struct shape *shape_of(const struct raw_event *raw)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (raw_get(raw, shapes[i].evidence) && first_time(raw, shapes[i].times) != 0)
			return &shapes[i];
	return NULL;
}

static const struct dialect *dialect_of(const struct raw_event *raw)
{
	for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++)
		if (dialects[i]->matches(raw))
			return dialects[i];
	return NULL;
}

/* The host's name: what the event log says, else what the document says. */
static const struct raw_value *host_of(const struct raw_event *raw)
{
	static const uint16_t slots[] = { RAW_computer, RAW_host_name, RAW_host_hostname,
					  RAW_relay_host };
	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		if (raw_get(raw, slots[i]))
			return raw_get(raw, slots[i]);
	return NULL;
}

static uint64_t hash_text(uint64_t state, const char *text, size_t size_bytes, uint64_t fold)
{
	uint64_t word;
	state = hash_word(&identity_seed, state, size_bytes);
	for (; size_bytes >= sizeof(word); text += sizeof(word), size_bytes -= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		state = hash_word(&identity_seed, state, word | fold);
	}
	word = 0;
	memcpy(&word, text, size_bytes);
	return hash_word(&identity_seed, state, word | fold);
}

/* The same for a whole document: four lanes at once, because each step waits for the one before
 * (bench_input, 1.9 kB events without a record number: 489,000 a second with one lane). */
static uint64_t hash_document(const char *text, size_t size_bytes)
{
	enum { LANES = 4, STEP_BYTES = LANES * 8 };
	uint64_t lanes[LANES] = { 1, 2, 3, 4 };
	uint64_t words[LANES];
	for (; size_bytes >= STEP_BYTES; text += STEP_BYTES, size_bytes -= STEP_BYTES) {
		memcpy(words, text, sizeof(words));
		for (int i = 0; i < LANES; i++)
			lanes[i] = hash_word(&identity_seed, lanes[i], words[i]);
	}
	const uint64_t state = hash_text(0, (const char *)lanes, sizeof(lanes), 0);
	return hash_text(state, text, size_bytes, 0);
}

/* ASCII case does not count: 0x20 in every byte folds letters. An absent value is an empty one. */
static uint64_t hash_folded(uint64_t state, const struct raw_value *value)
{
	return hash_text(state, value ? value->text : "", value ? value->size_bytes : 0,
			 0x2020202020202020);
}

/* 8-4-4-4-12 hexadecimal digits. */
static void format_uuid(uint64_t high, uint64_t low, char out_text[36])
{
	for (int i = 0, digit = 0; i < 36; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			out_text[i] = '-';
			continue;
		}
		const uint64_t half = digit < 16 ? high : low;
		out_text[i] = "0123456789abcdef"[half >> (60 - digit % 16 * 4) & 0xf];
		digit++;
	}
}

/* A host.id for hosts whose events have none: like a UUID, from the name without case. A bare
 * Sysmon event names no host, but the first part of its process GUIDs is the machine's. */
static void map_host(struct mapping *mapping)
{
	enum { MACHINE_AT = 1, MACHINE_BYTES = 8 };
	const struct raw_value *name = host_of(mapping->raw);
	struct raw_value machine;
	if (name)
		event_add_text(mapping->builder, FIELD_host_name, name->text, name->size_bytes);
	if (raw_get(mapping->raw, RAW_host_id) || !event_wants(mapping->builder, FIELD_host_id))
		return;
	if (!name) {
		name = raw_get(mapping->raw, RAW_ProcessGuid);
		if (!name)
			name = raw_get(mapping->raw, RAW_SourceProcessGuid);
		machine = (struct raw_value){ .text = "", .size_bytes = 0 };
		if (name && name->size_bytes >= MACHINE_AT + MACHINE_BYTES)
			machine = (struct raw_value){ .text = name->text + MACHINE_AT,
						      .size_bytes = MACHINE_BYTES };
		name = &machine;
	}
	char text[36];
	format_uuid(hash_folded(1, name), hash_folded(2, name), text);
	event_add_text(mapping->builder, FIELD_host_id, text, 36);
}

/* Every document of the Windows event log is about a Windows host; of others only some are. */
static void map_platform(struct mapping *mapping)
{
	const uint32_t not_windows = 1U << DATASET_other | 1U << DATASET_flow;
	const bool endpoint = raw_equals(raw_get(mapping->raw, RAW_ecs_module), "endpoint");
	if (raw_get(mapping->raw, RAW_os_type) || (mapping->header->datasets & not_windows) ||
	    endpoint)
		return;
	map_constant(mapping, FIELD_host_os_type, "windows");
	map_constant(mapping, FIELD_host_os_family, "windows");
}

static void map_dataset(struct mapping *mapping)
{
	if (raw_get(mapping->raw, RAW_ecs_data_stream) || mapping->header->datasets == 0)
		return;
	const char *name = dataset_name((enum dataset)__builtin_ctz(mapping->header->datasets));
	if (*name)
		map_constant(mapping, FIELD_data_stream_dataset, name);
}

/* What every event of the Windows event log has. */
static void map_record(struct mapping *mapping)
{
	const struct raw_event *raw = mapping->raw;
	for (size_t i = 0; i < raw->touched_count; i++) {
		const uint16_t slot = raw->touched[i];
		if (slot < RAW_KNOWN_COUNT && event_wants(mapping->builder, record_fields[slot]))
			map_typed(mapping, record_fields[slot], slot);
	}
	const struct raw_value *channel = raw_get(raw, RAW_winlog_channel);
	if (!channel)
		channel = raw_get(raw, RAW_log_name);
	if (channel && !raw_get(raw, RAW_channel))
		event_add_text(mapping->builder, FIELD_winlog_channel, channel->text,
			       channel->size_bytes);
	if (mapping->event_id < 0 || raw_get(raw, RAW_ecs_category))
		return;
	if (!raw_get(raw, RAW_ecs_code))
		map_text(mapping, FIELD_event_code, RAW_event_id);
	map_text(mapping, FIELD_event_provider, RAW_provider);
	map_constant(mapping, FIELD_event_kind, "event");
	event_add_time(mapping->builder, FIELD_winlog_time_created, mapping->record_ns);
}

/* EventData values that a rule names, "winlog.event_data.X". */
static void map_event_data(struct normaliser *normaliser, struct mapping *mapping)
{
	const struct raw_event *raw = mapping->raw;
	for (size_t i = 0; i < raw->touched_count; i++) {
		const uint16_t slot = raw->touched[i];
		const uint16_t field = keys_field_of_slot(normaliser->keys, slot);
		if (field != FIELD_NONE)
			map_typed(mapping, field, slot);
	}
}

/* A field of type ANY, which only a rule names: the value keeps its own type. */
static void map_any(struct mapping *mapping, uint16_t field, const struct raw_value *value)
{
	char text[64];
	int64_t integer;
	if (value->kind == RAW_NUMBER && raw_integer(value, &integer)) {
		event_add_integer(mapping->builder, field, integer);
	} else if (value->kind == RAW_NUMBER && value->size_bytes < sizeof(text)) {
		memcpy(text, value->text, value->size_bytes);
		text[value->size_bytes] = '\0';
		event_add_double(mapping->builder, field, strtod(text, NULL));
	} else if (value->kind == RAW_BOOLEAN) {
		event_add_boolean(mapping->builder, field, value->text[0] == 't');
	} else {
		event_add_text(mapping->builder, field, value->text, value->size_bytes);
	}
}

/* ECS values of the document itself, where no dialect knew better. */
static void map_rest(struct normaliser *normaliser, struct mapping *mapping)
{
	struct raw_event *raw = normaliser->raw;
	for (size_t i = 0; i < raw->ecs_count; i++)
		normaliser->skip_ecs[i] = !event_wants(mapping->builder, raw->ecs[i].field) ||
					  event_has(mapping->builder, raw->ecs[i].field);
	for (size_t i = 0; i < raw->ecs_count; i++) {
		struct raw_ecs_value *ecs = &raw->ecs[i];
		if (normaliser->skip_ecs[i])
			continue;
		raw_decode(raw, &ecs->value);
		if (fields_type(normaliser->fields, ecs->field) == FIELD_TYPE_ANY)
			map_any(mapping, ecs->field, &ecs->value);
		else
			event_add_as_field_type(mapping->builder, ecs->field, ecs->value.text,
						ecs->value.size_bytes);
	}
}

/* Equal for two copies of one event. A record is known by computer, channel, number and time
 * (numbers restart when a log is cleared), a Sysmon one by its process and own time too, an
 * Endpoint event by its event.id; anything else by its whole text. */
static uint64_t identity_of(const struct mapping *mapping, const char *text, size_t size_bytes)
{
	const struct raw_event *raw = mapping->raw;
	const struct raw_value *id = raw_get(raw, RAW_ecs_event_id);
	const struct raw_value *record = raw_get(raw, RAW_record_id);
	if (id)
		return hash_folded(hash_folded(0, host_of(raw)), id);
	if (!record)
		return hash_document(text, size_bytes);
	/* to the millisecond: forwarders cut the digits behind it differently */
	uint64_t identity = hash_folded(mapping->record_ns / NS_PER_MS, host_of(raw));
	identity = hash_folded(identity, record);
	identity = hash_folded(identity, raw_get(raw, RAW_event_id));
	identity = hash_folded(identity, raw_get(raw, RAW_provider));
	identity = hash_folded(identity, raw_get(raw, RAW_ProcessGuid));
	return hash_folded(identity, raw_get(raw, RAW_UtcTime));
}

static void set_header(struct mapping *mapping, const struct shape *shape, uint64_t received_ns)
{
	const struct raw_event *raw = mapping->raw;
	struct event *header = mapping->header;
	int64_t number;
	mapping->record_ns = first_time(raw, shape->times);
	header->host_time_ns = mapping->record_ns;
	header->time_ns = mapping->record_ns;
	header->received_ns = received_ns ? received_ns : first_time(raw, shape->received);
	if (header->received_ns == 0)
		header->received_ns = mapping->record_ns;
	if (raw_integer(raw_get(raw, RAW_record_id), &number) ||
	    raw_integer(raw_get(raw, RAW_ecs_sequence), &number))
		header->tiebreaker = (uint64_t)number;
}

static int32_t event_id_of(const struct raw_event *raw)
{
	int64_t number;
	if (!raw_integer(raw_get(raw, RAW_event_id), &number) &&
	    !raw_integer(raw_get(raw, RAW_ecs_code), &number))
		return -1;
	return number >= 0 && number <= INT32_MAX ? (int32_t)number : -1;
}

/* One name for what shapes call differently. */
static void settle(struct raw_event *raw)
{
	if (raw_get(raw, RAW_channel))
		return;
	const struct raw_value *channel = raw_get(raw, RAW_winlog_channel);
	if (!channel)
		channel = raw_get(raw, RAW_log_name);
	if (channel) {
		const struct raw_value copy = *channel;
		raw_set(raw, RAW_channel, &copy);
	}
}

static enum normaliser_result refuse(struct normaliser *normaliser, enum normaliser_result result)
{
	static const enum counter reasons[] = {
		[NORMALISER_BAD_JSON] = COUNTER_events_bad_json,
		[NORMALISER_UNMAPPED] = COUNTER_events_unmapped,
		[NORMALISER_NO_TIME] = COUNTER_events_no_time,
		[NORMALISER_TOO_LARGE] = COUNTER_events_too_large,
	};
	counter_add(normaliser->counters, reasons[result], 1);
	return result;
}

static enum normaliser_result finish(struct normaliser *normaliser, const char *text,
				     size_t size_bytes, uint64_t received_ns,
				     const struct event **out_event)
{
	struct raw_event *raw = normaliser->raw;
	settle(raw);
	const struct dialect *dialect = dialect_of(raw);
	if (!dialect)
		return refuse(normaliser, NORMALISER_UNMAPPED);
	const struct shape *shape = shape_of(raw);
	if (!shape)
		return refuse(normaliser, NORMALISER_NO_TIME);
	positional_name_values(raw, normaliser->keys);
	if (raw->left_out_count)
		counter_add(normaliser->counters, COUNTER_event_values_cut, raw->left_out_count);

	event_begin(normaliser->builder);
	struct mapping mapping = {
		.raw = raw,
		.builder = normaliser->builder,
		.header = event_header(normaliser->builder),
		.event_id = event_id_of(raw),
	};
	set_header(&mapping, shape, received_ns);
	mapping.header->identity = identity_of(&mapping, text, size_bytes);
	map_host(&mapping);
	dialect->map(&mapping);
	map_record(&mapping);
	map_platform(&mapping);
	map_dataset(&mapping);
	map_event_data(normaliser, &mapping);
	map_rest(normaliser, &mapping);
	*out_event = event_end(normaliser->builder);
	return NORMALISED;
}

/* An EventData that was a text: XML or JSON. What it says counts; a text that is
 * neither does not. */
static void read_embedded(struct normaliser *normaliser)
{
	const struct raw_value text = normaliser->raw->embedded;
	uint32_t at = 0;
	while (at < text.size_bytes && (unsigned char)text.text[at] <= ' ')
		at++;
	if (at == text.size_bytes)
		return;
	const size_t size_bytes = text.size_bytes - at;
	if (text.text[at] == '<')
		carrier_xml_read(normaliser->xml, text.text + at, size_bytes, normaliser->raw);
	else if (text.text[at] == '{')
		carrier_json_read_data(normaliser->json, text.text + at, size_bytes,
				       normaliser->raw);
}

enum normaliser_result normaliser_json(struct normaliser *normaliser, const char *json,
				       size_t size_bytes, uint64_t received_ns,
				       const struct event **out_event)
{
	counter_add(normaliser->counters, COUNTER_events_seen, 1);
	if (size_bytes > JSON_TEXT_MAX)
		return refuse(normaliser, NORMALISER_TOO_LARGE);
	if (!carrier_json_read(normaliser->json, json, size_bytes, normaliser->raw))
		return refuse(normaliser, NORMALISER_BAD_JSON);
	if (normaliser->raw->embedded.kind == RAW_TEXT)
		read_embedded(normaliser);
	return finish(normaliser, json, size_bytes, received_ns, out_event);
}

enum normaliser_result normaliser_xml(struct normaliser *normaliser, const char *xml,
				      size_t size_bytes, uint64_t received_ns,
				      const struct event **out_event)
{
	counter_add(normaliser->counters, COUNTER_events_seen, 1);
	if (size_bytes > CARRIER_XML_MAX)
		return refuse(normaliser, NORMALISER_TOO_LARGE);
	if (!raw_begin(normaliser->raw, size_bytes + JSON_PADDING) ||
	    !carrier_xml_read(normaliser->xml, xml, size_bytes, normaliser->raw))
		return refuse(normaliser, NORMALISER_BAD_JSON);
	return finish(normaliser, xml, size_bytes, received_ns, out_event);
}
