/* tls_hello.h: what a TLS ClientHello says: the server's name, and the lists that JA4 is made of.
 *
 * Stateless; any thread. Sources: RFC 8446, section 4.1.2; RFC 6066, section 3; RFC 7301; RFC 8701
 * (GREASE); github.com/FoxIO-LLC/ja4, technical_details/JA4.md.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/base/cursor.h"

enum { TLS_HELLO_LIST_MAX = 256 }; /* cipher suites, extensions, signature algorithms */

struct tls_list {
	uint16_t count;
	uint16_t values[TLS_HELLO_LIST_MAX]; /* in the order sent, without GREASE */
};

struct tls_hello {
	uint16_t version;	    /* the highest offered */
	const uint8_t *server_name; /* borrowed, not terminated; NULL = none */
	uint16_t server_name_bytes;
	bool has_server_name;	 /* the extension is there, whatever is in it */
	const uint8_t *protocol; /* first ALPN value, borrowed; NULL = none */
	uint8_t protocol_bytes;
	struct tls_list ciphers;
	struct tls_list extensions;
	struct tls_list signatures;
};

/* Reads the body of a ClientHello (behind its type and length). False: not well formed. */
bool tls_hello_read(struct cursor bytes, struct tls_hello *out_hello);

/* "t13d1516h2_8daaf6152771_e5627efa2ab1", NUL-terminated. */
enum { JA4_TEXT_BYTES = 37 };
void tls_hello_ja4(const struct tls_hello *hello, char out_text[JA4_TEXT_BYTES]);
