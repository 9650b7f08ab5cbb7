/* mapping.h: one event on its way from a raw event to ECS, and what dialects do most. One
 * thread, inside one call of the normaliser. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/event.h"
#include "collector/input/raw.h"

struct mapping {
	const struct raw_event *raw;
	struct event_builder *builder;
	struct event *header;
	int32_t event_id;   /* of the Windows event log; -1 = none */
	uint64_t record_ns; /* the record's own time, the label that its shape trusts; 0 = none */
};

/* A dialect: what one provider's events mean. dialects.def lists them, the first
 * that matches maps. */
struct dialect {
	const char *name;
	bool (*matches)(const struct raw_event *raw);
	void (*map)(struct mapping *mapping);
};

#define DIALECT(name) extern const struct dialect dialect_##name;
#include "collector/input/dialects.def"
#undef DIALECT

/* Each adds nothing when the raw value is absent or nobody wants the field. */
void map_text(struct mapping *mapping, uint16_t field, uint16_t slot);
void map_typed(struct mapping *mapping, uint16_t field,
	       uint16_t slot); /* in the field's own type */
void map_constant(struct mapping *mapping, uint16_t field, const char *text);

/* Several values in one text: "start,connection". Empty = none. */
void map_list(struct mapping *mapping, uint16_t field, const char *texts);

/* An image path, and the part after its last backslash. */
void map_image(struct mapping *mapping, uint16_t path_field, uint16_t name_field, uint16_t slot);

/* "DOMAIN\name" */
void map_account(struct mapping *mapping, uint16_t domain_field, uint16_t name_field,
		 uint16_t slot);

/* file.path, .name, .directory, .extension; NULL = nothing */
void map_file(struct mapping *mapping, const struct raw_value *path);

/* A command line split as Windows programs split theirs, or at spaces with its quotes kept. */
enum argument_rule { ARGUMENTS_WINDOWS, ARGUMENTS_SPACES };
void map_arguments(struct mapping *mapping, uint16_t args_field, uint16_t count_field,
		   const struct raw_value *line, enum argument_rule rule);

/* Community ID of source and destination as mapped, and the direction. */
void map_flow(struct mapping *mapping, uint16_t source_ip, uint16_t source_port,
	      uint16_t destination_ip, uint16_t destination_port, uint8_t ip_protocol);

/* "tcp" or "udp" or a number: the IANA number, or 0. */
uint8_t map_ip_protocol(const struct raw_value *value);

/* Decimal or 0x hexadecimal, the whole text. */
bool raw_integer(const struct raw_value *value, int64_t *out_integer);

/* A time in any of the forms that forwarders write: ISO 8601, "/Date(ms)/", Unix seconds,
 * milliseconds, microseconds or nanoseconds. */
bool raw_time(const struct raw_value *value, uint64_t *out_unix_ns);
