/* event.h: the one event type, for everything that rules can see: host events, wire flows, and the
 * two joined.
 *
 * An event is one block of bytes without pointers: it crosses rings and is stored by memcpy.
 * Fields that it does not have are null. Values are sorted by field number; a field with several
 * values has several neighbours.
 *
 *	struct event | values[0..value_count) sorted by field | texts and other long values
 *
 * A built event is immutable, but for time_ns, which the correlator sets on its own copy.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/address.h"
#include "collector/base/counter.h"
#include "collector/field.h"

/* What crosses a ring starts with one of these. */
enum record_kind {
	RECORD_EVENT = 1, /* struct event */
	RECORD_FLOW,	  /* struct flow_event (collector/flow.h) */
	RECORD_NAME,	  /* struct wire_name (collector/flow.h) */
	RECORD_WATERMARK, /* struct watermark (collector/flow.h) */
};

/* What the correlator learns from an event, besides what the rules see in it. */
enum event_role {
	EVENT_OTHER,
	EVENT_PROCESS_START, /* process.pid, .entity_id, .executable, .start; parent */
	EVENT_PROCESS_END,
	EVENT_CONNECTION, /* a host reports a connection: source.*, destination.*,
			     network.transport, process.* */
	EVENT_BIND, /* a host reports a bound local port: source.ip, source.port, network.transport,
		       process.* */
	EVENT_DNS,  /* a process resolved a name: dns.question.name, dns.resolved_ip, process.* */
	EVENT_FLOW, /* made here from a wire flow, joined with its process where known */
};

enum dataset {
#define DATASET(identifier, ...) DATASET_##identifier,
#include "collector/datasets.def"
#undef DATASET
	DATASET_COUNT
};

enum value_type {
	VALUE_TEXT,
	VALUE_INTEGER,
	VALUE_DOUBLE,
	VALUE_BOOLEAN,
	VALUE_ADDRESS,
	VALUE_TIME
};

struct event_value {
	uint16_t field;
	uint8_t type; /* enum value_type */
	uint8_t unused;
	uint32_t at_bytes; /* of the value, from the start of the event; 8-byte aligned */
};

struct event_text {
	uint32_t size_bytes;
	uint32_t folded_hash; /* hash_folded_text of bytes */
	char bytes[];	      /* UTF-8 as it came, and a NUL after it */
};

struct event {
	uint32_t record_kind; /* RECORD_EVENT */
	uint32_t size_bytes;  /* all of it, a multiple of 8 */
	uint16_t value_count;
	uint8_t role; /* enum event_role */
	uint8_t unused;
	uint32_t datasets;     /* bit set of enum dataset: which rule indices it answers to */
	uint64_t time_ns;      /* Unix; rules order by it: the wire's time line where known */
	uint64_t host_time_ns; /* the label that the host's own clock gave it; 0 = none */
	uint64_t received_ns;  /* when it reached us; in replay a collector's label or the host's */
	uint64_t tiebreaker;   /* orders events of equal time (record id); UINT64_MAX = none */
	uint64_t identity;     /* equal for two copies of one event, and stable from run to run */
	struct event_value values[];
};

/* --- reading; any thread that holds the event ------------------------------------------------- */

/* The first value of a field and how many there are, or NULL and 0. */
const struct event_value *event_find(const struct event *event, uint16_t field, size_t *out_count);

static inline const void *event_at(const struct event *event, const struct event_value *value)
{
	return (const char *)event + value->at_bytes;
}

/* The first value of a field, when it has that type. Borrowed from the event. */
const struct event_text *event_text(const struct event *event, uint16_t field);	   /* or NULL */
const struct ip_address *event_address(const struct event *event, uint16_t field); /* or NULL */
bool event_integer(const struct event *event, uint16_t field,
		   int64_t *out_integer); /* also VALUE_TIME */

/* --- building; one builder per thread --------------------------------------------------------- */

enum {
	EVENT_SIZE_MAX = 64 * 1024, /* bytes; longer values are cut, and counted */
	EVENT_VALUES_MAX = 512,	    /* values; more are left out, and counted */
	EVENT_TEXT_MAX = 32 * 1024, /* bytes of one text; cut at a UTF-8 boundary */
};

struct event_builder;

/* `fields` says which fields are wanted: the others are dropped as they are added. `counters`
 * belongs to the builder's thread. NULL with errno; the caller closes. */
struct event_builder *event_builder_open(const struct fields *fields, struct counters *counters);
void event_builder_close(struct event_builder *builder);

/* Starts an empty event: role OTHER, no dataset, all times 0. Forgets what was being built. */
void event_begin(struct event_builder *builder);

/* The header fields, to be set before event_end. */
struct event *event_header(struct event_builder *builder);

/* Would a value for this field be kept? Lets a dialect skip the work of making one. */
bool event_wants(const struct event_builder *builder, uint16_t field);

/* Each call adds one value; calling twice for one field makes it a list. */
void event_add_text(struct event_builder *builder, uint16_t field, const char *text,
		    size_t size_bytes);
void event_add_integer(struct event_builder *builder, uint16_t field, int64_t integer);
void event_add_double(struct event_builder *builder, uint16_t field, double number);
void event_add_boolean(struct event_builder *builder, uint16_t field, bool truth);
void event_add_address(struct event_builder *builder, uint16_t field,
		       const struct ip_address *address);
void event_add_time(struct event_builder *builder, uint16_t field, uint64_t unix_ns);

/* Converts text to the field's own type first: numbers (decimal or 0x hex), booleans, addresses,
 * ISO 8601 times. False: the text is none of that type, and nothing was added (Elasticsearch would
 * reject the document). */
bool event_add_as_field_type(struct event_builder *builder, uint16_t field, const char *text,
			     size_t size_bytes);

/* True if the event being built has a value for this field. */
bool event_has(const struct event_builder *builder, uint16_t field);

/* Copies every value of `event` whose field the event being built does not have yet. */
void event_add_missing_from(struct event_builder *builder, const struct event *event);

/* Sorts and packs. The event is the builder's and valid until its next event_begin. */
const struct event *event_end(struct event_builder *builder);

/* --- texts shared by dialects and rules ------------------------------------------------------- */

/* ISO 8601 ("2020-09-20T16:16:09.362Z", a space for T, up to nine fraction digits, "+02:00" or
 * "+0200"; no zone = UTC), as Unix nanoseconds; nothing later than 2262. False: not that. */
bool time_parse_iso8601(const char *text, size_t size_bytes, uint64_t *out_unix_ns);

enum { TIME_TEXT_MAX = 32 };

/* "2020-09-20T16:16:09.362000000Z" with `fraction_digits` (0..9) digits; returns the length. */
size_t time_format_iso8601(uint64_t unix_ns, int fraction_digits, char out_text[TIME_TEXT_MAX]);

/* "process.name" of a dataset's rows: its data_stream.dataset value, "" for DATASET_other. */
const char *dataset_name(enum dataset dataset);

/* The bit set of datasets that answer to an index pattern ("winlogbeat-*",
 * "logs-endpoint.events.*"). */
uint32_t datasets_of_index_pattern(const char *pattern, size_t size_bytes);
