/* The server's name and the client's JA4 fingerprint, from the ClientHello of a TLS connection over
 * TCP. Source: RFC 8446, sections 4 and 5.1. */
#include <string.h>

#include "collector/packet/name_reader.h"
#include "collector/packet/tls_hello.h"

enum {
	RECORD_HANDSHAKE = 22,
	MAJOR_VERSION = 3, /* SSL 3.0 and all of TLS */
	MESSAGE_CLIENT_HELLO = 1,
	RECORD_BYTES_MAX = (1 << 14) + 256,
};

/* Could these be the first bytes of a handshake record? As far as they go. */
static bool starts_handshake(struct cursor bytes)
{
	const uint8_t *start = bytes.at;
	const size_t left = cursor_left(&bytes);
	return (left < 1 || start[0] == RECORD_HANDSHAKE) &&
	       (left < 2 || start[1] == MAJOR_VERSION) &&
	       (left < 6 || start[5] == MESSAGE_CLIENT_HELLO);
}

/* Joins what the records carry, for a hello that is spread over several. Returns the bytes joined.
 *	type 8, version 16, length 16 | fragment */
static size_t join_records(struct cursor bytes, uint8_t joined[NAME_STREAM_BYTES])
{
	size_t joined_bytes = 0;
	while (cursor_left(&bytes) > 0) {
		const uint8_t type = cursor_u8(&bytes);
		cursor_take(&bytes, 2);
		const uint16_t length = cursor_be16(&bytes);
		if (bytes.truncated || type != RECORD_HANDSHAKE || length > RECORD_BYTES_MAX)
			break;
		const size_t there = length < cursor_left(&bytes) ? length : cursor_left(&bytes);
		const size_t room = NAME_STREAM_BYTES - joined_bytes;
		const size_t taken = there < room ? there : room;
		const uint8_t *fragment = cursor_take(&bytes, there);
		if (!fragment)
			break;
		memcpy(joined + joined_bytes, fragment, taken);
		joined_bytes += taken;
	}
	return joined_bytes;
}

static void tell(struct name_reader *reader, const struct tls_hello *hello)
{
	reader->found.kind = WIRE_NAME_TLS;
	if (hello->server_name)
		name_set(reader, hello->server_name, hello->server_name_bytes);
	tls_hello_ja4(hello, reader->found.detail);
	name_found(reader);
}

/*	handshake message: type 8, length 24 | body */
enum name_progress name_read_tls(struct name_reader *reader, struct cursor bytes)
{
	if (!starts_handshake(bytes))
		return NAME_NOT_MINE;
	uint8_t joined[NAME_STREAM_BYTES];
	struct cursor message = cursor_over(joined, join_records(bytes, joined));
	cursor_take(&message, 1);
	const uint32_t length = cursor_be24(&message);
	if (message.truncated)
		return NAME_MORE;
	if (length > NAME_STREAM_BYTES)
		return NAME_DONE; /* larger than anybody's; not read */
	if (cursor_left(&message) < length)
		return NAME_MORE;
	struct tls_hello hello;
	if (tls_hello_read(cursor_split(&message, length), &hello))
		tell(reader, &hello);
	return NAME_DONE;
}
