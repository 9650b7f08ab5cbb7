/* name_reader.h: what a name_IDENTIFIER.c sees: a datagram, or a stream from its start, and where
 * to put what it finds. */
#pragma once

#include "collector/base/cursor.h"
#include "collector/packet/names.h"

enum name_progress {
	NAME_NOT_MINE, /* not this protocol: another reader may try */
	NAME_MORE,     /* more bytes of the stream are needed */
	NAME_DONE,     /* read, with or without a name in it */
};

struct name_reader {
	const struct tracker_sink *sink;
	struct dhcp_memory *dhcp;
	struct wire_name found; /* time, flow and ends are filled in: subject is the client */
};

typedef enum name_progress name_read_fn(struct name_reader *reader, struct cursor bytes);

#define NAME(identifier, protocol, port, from) name_read_fn name_read_##identifier;
#include "collector/packet/names.def"
#undef NAME

/* Hands `found` over. */
static inline void name_found(struct name_reader *reader)
{
	reader->sink->name(reader->sink->context, &reader->found);
}

/* Copies text from the wire into found.name: at most WIRE_NAME_MAX bytes, nothing unprintable. */
void name_set(struct name_reader *reader, const uint8_t *text, size_t size_bytes);

/* Host names that DHCP clients asked with, until their lease is acknowledged. */
struct dhcp_memory *dhcp_memory_open(void);
void dhcp_memory_close(struct dhcp_memory *memory);
size_t dhcp_memory_bytes(void);
