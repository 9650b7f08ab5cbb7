#include "collector/packet/tls_hello.h"

#include <string.h>

enum {
	EXTENSION_SERVER_NAME = 0,
	EXTENSION_SIGNATURES = 13,
	EXTENSION_PROTOCOLS = 16,
	EXTENSION_VERSIONS = 43,
	NAME_TYPE_HOST = 0,
};

/* RFC 8701: 0x0a0a, 0x1a1a, ... 0xfafa, sent so that servers learn to ignore what they do not
 * know. */
static bool is_grease(uint16_t value)
{
	return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

static void add(struct tls_list *list, uint16_t value)
{
	if (!is_grease(value) && list->count < TLS_HELLO_LIST_MAX)
		list->values[list->count++] = value;
}

static void add_all(struct tls_list *list, struct cursor bytes)
{
	while (cursor_left(&bytes) >= 2)
		add(list, cursor_be16(&bytes));
}

/*	list length 16 | type 8, name length 16, name */
static void read_server_name(struct tls_hello *hello, struct cursor bytes)
{
	hello->has_server_name = true;
	struct cursor names = cursor_split(&bytes, cursor_be16(&bytes));
	const uint8_t type = cursor_u8(&names);
	const uint16_t size_bytes = cursor_be16(&names);
	const uint8_t *name = cursor_take(&names, size_bytes);
	if (name && type == NAME_TYPE_HOST && size_bytes > 0) {
		hello->server_name = name;
		hello->server_name_bytes = size_bytes;
	}
}

static void read_protocols(struct tls_hello *hello, struct cursor bytes)
{
	cursor_take(&bytes, 2);
	const uint8_t size_bytes = cursor_u8(&bytes);
	const uint8_t *protocol = cursor_take(&bytes, size_bytes);
	if (protocol && size_bytes > 0) {
		hello->protocol = protocol;
		hello->protocol_bytes = size_bytes;
	}
}

/* The highest version of the list stands for the older field, which says 1.2 at most. */
static void read_versions(struct tls_hello *hello, struct cursor bytes)
{
	struct tls_list versions = { .count = 0 };
	add_all(&versions, cursor_split(&bytes, cursor_u8(&bytes)));
	uint16_t highest = 0;
	for (uint16_t i = 0; i < versions.count; i++)
		if (versions.values[i] > highest)
			highest = versions.values[i];
	if (highest)
		hello->version = highest;
}

static void read_extension(struct tls_hello *hello, uint16_t type, struct cursor bytes)
{
	add(&hello->extensions, type);
	switch (type) {
	case EXTENSION_SERVER_NAME:
		read_server_name(hello, bytes);
		break;
	case EXTENSION_PROTOCOLS:
		read_protocols(hello, bytes);
		break;
	case EXTENSION_VERSIONS:
		read_versions(hello, bytes);
		break;
	case EXTENSION_SIGNATURES:
		add_all(&hello->signatures, cursor_split(&bytes, cursor_be16(&bytes)));
		break;
	default:
		break;
	}
}

/*	version 16 | random 256 | session id 8+ | cipher suites 16+ | compression 8+
 *	extensions 16+: type 16, length 16, value */
bool tls_hello_read(struct cursor bytes, struct tls_hello *out_hello)
{
	memset(out_hello, 0, sizeof(*out_hello));
	out_hello->version = cursor_be16(&bytes);
	cursor_take(&bytes, 32);
	cursor_take(&bytes, cursor_u8(&bytes));
	add_all(&out_hello->ciphers, cursor_split(&bytes, cursor_be16(&bytes)));
	cursor_take(&bytes, cursor_u8(&bytes));
	if (bytes.truncated)
		return false;
	if (cursor_left(&bytes) == 0)
		return true; /* before TLS 1.0 had extensions */
	struct cursor extensions = cursor_split(&bytes, cursor_be16(&bytes));
	while (cursor_left(&extensions) > 0) {
		const uint16_t type = cursor_be16(&extensions);
		const struct cursor value = cursor_split(&extensions, cursor_be16(&extensions));
		if (extensions.truncated)
			return false;
		read_extension(out_hello, type, value);
	}
	return !bytes.truncated;
}
