/* address.h: an IP address as everything here carries it: 16 bytes in network order, IPv4 as
 * ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2). One form, so that a flow key, a rule and a host event
 * can be compared byte by byte. No thread, no allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ip_address {
	uint8_t bytes[16];
};

enum { IP_ADDRESS_TEXT_MAX = 46 }; /* INET6_ADDRSTRLEN */

static inline struct ip_address ip_address_from_v4(const uint8_t bytes[4])
{
	/* Whole words: what is written in pieces cannot be read back as a word without waiting. */
	uint32_t v4;
	memcpy(&v4, bytes, sizeof(v4));
	const uint64_t words[2] = { 0, (uint64_t)v4 << 32 | 0xffff0000U };
	struct ip_address address;
	memcpy(&address, words, sizeof(address));
	return address;
}

static inline bool ip_address_is_v4(const struct ip_address *address)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	return memcmp(address->bytes, mapped, sizeof(mapped)) == 0;
}

static inline bool ip_address_equal(const struct ip_address *left, const struct ip_address *right)
{
	return memcmp(left, right, sizeof(*left)) == 0;
}

/* Any form of RFC 4291, section 2.2, IPv4 dotted quads, a zone ("%12") ignored; nothing around it.
 * Out-parameters are untouched on failure. */
bool ip_address_parse(const char *text, size_t size_bytes, struct ip_address *out_address);

/* RFC 5952 text, NUL-terminated. Returns its length. */
size_t ip_address_format(const struct ip_address *address, char out_text[IP_ADDRESS_TEXT_MAX]);

/* A network in CIDR notation. IPv4 prefixes are stored 96 bits longer, as mapped addresses. */
struct ip_prefix {
	struct ip_address address; /* host bits cleared */
	uint8_t bits;		   /* 0..128 */
};

/* "10.0.0.0/8", "2001:db8::/32", or a plain address as a full-length prefix. Host bits are cleared.
 * "::/0" covers IPv6 only in EQL; see cidr.h for how families are kept apart. */
bool ip_prefix_parse(const char *text, size_t size_bytes, struct ip_prefix *out_prefix);

bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_address *address);
