/* Community ID, version 1. Source: github.com/corelight/community-id-spec. Declared in flow.h. */
#include "collector/flow.h"

#include <stdbool.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58, SCTP = 132 };

/* Requests and what answers them. Source: RFC 792, 950, 1256, 4443, 4861, 4620, 6275. */
static const struct {
	uint8_t ip_protocol;
	uint8_t request;
	uint8_t reply;
} icmp_pairs[] = {
	{ ICMP, 8, 0 },	      /* echo */
	{ ICMP, 10, 9 },      /* router solicitation, advertisement */
	{ ICMP, 13, 14 },     /* timestamp */
	{ ICMP, 15, 16 },     /* information */
	{ ICMP, 17, 18 },     /* address mask */
	{ ICMPV6, 128, 129 }, /* echo */
	{ ICMPV6, 130, 131 }, /* multicast listener query, report */
	{ ICMPV6, 133, 134 }, /* router solicitation, advertisement */
	{ ICMPV6, 135, 136 }, /* neighbour solicitation, advertisement */
	{ ICMPV6, 139, 140 }, /* node information */
	{ ICMPV6, 144, 145 }, /* home agent address discovery */
};

int icmp_counterpart(uint8_t ip_protocol, uint8_t type)
{
	for (size_t i = 0; i < sizeof(icmp_pairs) / sizeof(icmp_pairs[0]); i++) {
		if (icmp_pairs[i].ip_protocol != ip_protocol)
			continue;
		if (icmp_pairs[i].request == type)
			return icmp_pairs[i].reply;
		if (icmp_pairs[i].reply == type)
			return icmp_pairs[i].request;
	}
	return -1;
}

static size_t put(uint8_t *block, size_t at, const void *bytes, size_t size_bytes)
{
	memcpy(block + at, bytes, size_bytes);
	return at + size_bytes;
}

static size_t put_be16(uint8_t *block, size_t at, uint16_t number)
{
	block[at] = (uint8_t)(number >> 8);
	block[at + 1] = (uint8_t)number;
	return at + 2;
}

void community_id(uint16_t seed, const struct ip_address *source, uint16_t source_port,
		  const struct ip_address *destination, uint16_t destination_port,
		  uint8_t ip_protocol, char out_text[COMMUNITY_ID_TEXT_MAX])
{
	const bool is_icmp = ip_protocol == ICMP || ip_protocol == ICMPV6;
	const bool has_ports =
		is_icmp || ip_protocol == TCP || ip_protocol == UDP || ip_protocol == SCTP;
	const int counterpart = is_icmp ? icmp_counterpart(ip_protocol, (uint8_t)source_port) : -1;
	const bool one_way = is_icmp && counterpart < 0; /* its ends are not put in order */
	if (counterpart >= 0)
		destination_port = (uint16_t)counterpart;
	const bool v4 = ip_address_is_v4(source) && ip_address_is_v4(destination);
	const size_t skipped = v4 ? 12 : 0;
	const int order = memcmp(source, destination, sizeof(*source));
	if (!one_way && (order > 0 || (order == 0 && source_port > destination_port))) {
		const struct ip_address *address = source;
		source = destination;
		destination = address;
		const uint16_t port = source_port;
		source_port = destination_port;
		destination_port = port;
	}

	uint8_t block[2 + 2 * sizeof(source->bytes) + 2 + 4];
	size_t size = put_be16(block, 0, seed);
	size = put(block, size, source->bytes + skipped, sizeof(source->bytes) - skipped);
	size = put(block, size, destination->bytes + skipped, sizeof(source->bytes) - skipped);
	block[size++] = ip_protocol;
	block[size++] = 0;
	if (has_ports) {
		size = put_be16(block, size, source_port);
		size = put_be16(block, size, destination_port);
	}
	uint8_t digest[SHA_DIGEST_LENGTH];
	SHA1(block, size, digest);
	out_text[0] = '1';
	out_text[1] = ':';
	EVP_EncodeBlock((unsigned char *)out_text + 2, digest, sizeof(digest));
}
