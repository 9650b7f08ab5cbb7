#include "tests/model_lpm.h"

static int bit_of(const struct ip_address *address, unsigned bit)
{
	return address->bytes[bit / 8] >> (7 - bit % 8) & 1;
}

static bool is_v4(const struct ip_address *address)
{
	for (unsigned bit = 0; bit < 96; bit++) {
		if (bit_of(address, bit) != (bit >= 80))
			return false;
	}
	return true;
}

static bool holds(const struct ip_prefix *prefix, const struct ip_address *address)
{
	if (is_v4(address) && prefix->bits < 96)
		return false;
	for (unsigned bit = 0; bit < prefix->bits; bit++) {
		if (bit_of(&prefix->address, bit) != bit_of(address, bit))
			return false;
	}
	return true;
}

uint32_t model_lpm_find(const struct cidr_entry *entries, size_t count,
			const struct ip_address *address)
{
	uint32_t value = CIDR_NONE;
	int longest = -1;
	for (size_t i = 0; i < count; i++) {
		if ((int)entries[i].prefix.bits < longest || !holds(&entries[i].prefix, address))
			continue;
		longest = entries[i].prefix.bits;
		value = entries[i].value;
	}
	return value;
}
