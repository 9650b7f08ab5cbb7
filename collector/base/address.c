#include "collector/base/address.h"

#include <arpa/inet.h>

bool ip_address_parse(const char *text, size_t size_bytes, struct ip_address *out_address)
{
	char copy[IP_ADDRESS_TEXT_MAX];
	const char *zone = memchr(text, '%', size_bytes);
	if (zone)
		size_bytes = (size_t)(zone - text);
	if (size_bytes == 0 || size_bytes >= sizeof(copy))
		return false;
	memcpy(copy, text, size_bytes);
	copy[size_bytes] = '\0';
	if (strlen(copy) != size_bytes)
		return false; /* a NUL inside */

	uint8_t bytes[16];
	if (inet_pton(AF_INET, copy, bytes) == 1) {
		*out_address = ip_address_from_v4(bytes);
		return true;
	}
	if (inet_pton(AF_INET6, copy, bytes) != 1)
		return false;
	memcpy(out_address->bytes, bytes, sizeof(bytes));
	return true;
}

size_t ip_address_format(const struct ip_address *address, char out_text[IP_ADDRESS_TEXT_MAX])
{
	if (ip_address_is_v4(address))
		inet_ntop(AF_INET, address->bytes + 12, out_text, IP_ADDRESS_TEXT_MAX);
	else
		inet_ntop(AF_INET6, address->bytes, out_text, IP_ADDRESS_TEXT_MAX);
	return strlen(out_text);
}

static void clear_host_bits(struct ip_address *address, unsigned bits)
{
	for (unsigned i = 0; i < sizeof(address->bytes); i++) {
		if (bits >= 8 * (i + 1))
			continue;
		const unsigned kept = bits > 8 * i ? bits - 8 * i : 0;
		address->bytes[i] &= (uint8_t)(0xff00U >> kept);
	}
}

bool ip_prefix_parse(const char *text, size_t size_bytes, struct ip_prefix *out_prefix)
{
	const char *slash = memchr(text, '/', size_bytes);
	const size_t address_bytes = slash ? (size_t)(slash - text) : size_bytes;
	struct ip_prefix prefix;
	if (!ip_address_parse(text, address_bytes, &prefix.address))
		return false;

	/* "::ffff:10.0.0.0/104" is written in IPv6 and counts its bits as IPv6 does. */
	const bool dotted = !memchr(text, ':', address_bytes);
	const unsigned longest = dotted ? 32 : 128;
	unsigned bits = longest;
	if (slash) {
		const size_t digits = size_bytes - address_bytes - 1;
		if (digits == 0 || digits > 3)
			return false;
		bits = 0;
		for (size_t i = 1; i <= digits; i++) {
			if (slash[i] < '0' || slash[i] > '9')
				return false;
			bits = bits * 10 + (unsigned)(slash[i] - '0');
		}
		if (bits > longest)
			return false;
	}
	prefix.bits = (uint8_t)(dotted ? bits + 96 : bits);
	clear_host_bits(&prefix.address, prefix.bits);
	*out_prefix = prefix;
	return true;
}

bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_address *address)
{
	struct ip_address masked = *address;
	clear_host_bits(&masked, prefix->bits);
	return ip_address_equal(&masked, &prefix->address) &&
	       (prefix->bits >= 96 || !ip_address_is_v4(address));
}
