/* JA4: a fingerprint of a TLS client. Source: github.com/FoxIO-LLC/ja4, technical_details/JA4.md.
 *
 *	t13d1516h2_8daaf6152771_e5627efa2ab1
 *	over TCP, TLS 1.3, to a domain, 15 ciphers, 16 extensions, ALPN h2
 *	_ hash of the sorted ciphers _ hash of the sorted extensions and the signature algorithms
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "collector/packet/tls_hello.h"

enum {
	HASH_DIGITS = 12,
	COUNT_MAX = 99,
	EXTENSION_SERVER_NAME = 0,
	EXTENSION_PROTOCOLS = 16,
	LIST_TEXT_MAX = 2 * TLS_HELLO_LIST_MAX * 5 + 2, /* "1301," each, two lists */
};

static const char hex_digits[] = "0123456789abcdef";

static const char *version_text(uint16_t version)
{
	switch (version) {
	case 0x0304:
		return "13";
	case 0x0303:
		return "12";
	case 0x0302:
		return "11";
	case 0x0301:
		return "10";
	case 0x0300:
		return "s3";
	case 0x0002:
		return "s2";
	default:
		return "00";
	}
}

static bool is_alphanumeric(uint8_t byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= 'a' && byte <= 'z');
}

/* First and last character of the first ALPN value, or of its hex form if either is odd. */
static void protocol_text(const struct tls_hello *hello, char out_text[2])
{
	out_text[0] = '0';
	out_text[1] = '0';
	if (!hello->protocol)
		return;
	const uint8_t first = hello->protocol[0];
	const uint8_t last = hello->protocol[hello->protocol_bytes - 1];
	const bool plain = is_alphanumeric(first) && is_alphanumeric(last);
	out_text[0] = (char)(plain ? first : hex_digits[first >> 4]);
	out_text[1] = (char)(plain ? last : hex_digits[last & 0x0f]);
}

static int compare_values(const void *left, const void *right)
{
	uint16_t a;
	uint16_t b;
	memcpy(&a, left, sizeof(a));
	memcpy(&b, right, sizeof(b));
	return (a > b) - (a < b);
}

/* Appends "1301,1302"; returns the new size. */
static size_t append(char *text, size_t size, const struct tls_list *list)
{
	for (uint16_t i = 0; i < list->count; i++) {
		if (i > 0)
			text[size++] = ',';
		for (int shift = 12; shift >= 0; shift -= 4)
			text[size++] = hex_digits[list->values[i] >> shift & 0x0f];
	}
	return size;
}

/* The first digits of the text's SHA-256; zeros for no text. */
static void put_hash(const char *text, size_t size, char out_digits[HASH_DIGITS])
{
	memset(out_digits, '0', HASH_DIGITS);
	if (size == 0)
		return;
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA256((const unsigned char *)text, size, digest);
	for (int i = 0; i < HASH_DIGITS; i++)
		out_digits[i] = hex_digits[i & 1 ? digest[i / 2] & 0x0f : digest[i / 2] >> 4];
}

static void hash_ciphers(const struct tls_hello *hello, char out_digits[HASH_DIGITS])
{
	char text[LIST_TEXT_MAX];
	struct tls_list sorted = hello->ciphers;
	qsort(sorted.values, sorted.count, sizeof(sorted.values[0]), compare_values);
	put_hash(text, append(text, 0, &sorted), out_digits);
}

/* Without the server name and ALPN, which say where the client went rather than what it is. */
static void hash_extensions(const struct tls_hello *hello, char out_digits[HASH_DIGITS])
{
	char text[LIST_TEXT_MAX];
	struct tls_list sorted = { .count = 0 };
	for (uint16_t i = 0; i < hello->extensions.count; i++) {
		const uint16_t type = hello->extensions.values[i];
		if (type != EXTENSION_SERVER_NAME && type != EXTENSION_PROTOCOLS)
			sorted.values[sorted.count++] = type;
	}
	qsort(sorted.values, sorted.count, sizeof(sorted.values[0]), compare_values);
	size_t size = append(text, 0, &sorted);
	if (size > 0 && hello->signatures.count > 0) {
		text[size++] = '_';
		size = append(text, size, &hello->signatures);
	}
	put_hash(text, size, out_digits);
}

static int at_most_99(uint16_t count)
{
	return count < COUNT_MAX ? count : COUNT_MAX;
}

void tls_hello_ja4(const struct tls_hello *hello, char out_text[JA4_TEXT_BYTES])
{
	char protocol[2];
	char ciphers[HASH_DIGITS];
	char extensions[HASH_DIGITS];
	protocol_text(hello, protocol);
	hash_ciphers(hello, ciphers);
	hash_extensions(hello, extensions);
	snprintf(out_text, JA4_TEXT_BYTES, "t%s%c%02d%02d%.2s_%.12s_%.12s",
		 version_text(hello->version), hello->has_server_name ? 'd' : 'i',
		 at_most_99(hello->ciphers.count), at_most_99(hello->extensions.count), protocol,
		 ciphers, extensions);
}
