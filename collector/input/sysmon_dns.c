/* Sysmon event 22: a name, its status as a Windows error, and answers as one text:
 * "type: 5 alias.example;::ffff:192.0.2.1;". */
#include <stdio.h>
#include <string.h>

#include "collector/input/sysmon.h"

static const struct {
	int64_t code;
	const char *name;
} statuses[] = {
#define STATUS(code, name) { code, name },
#include "collector/input/dns_status.def"
#undef STATUS
};

static const struct {
	int64_t code;
	const char *name;
} record_types[] = {
	{ 1, "A" },	  { 2, "NS" },	    { 3, "MD" },       { 4, "MF" },	   { 5, "CNAME" },
	{ 6, "SOA" },	  { 7, "MB" },	    { 8, "MG" },       { 9, "MR" },	   { 10, "NULL" },
	{ 11, "WKS" },	  { 12, "PTR" },    { 13, "HINFO" },   { 14, "MINFO" },	   { 15, "MX" },
	{ 16, "TXT" },	  { 17, "RP" },	    { 18, "AFSDB" },   { 19, "X25" },	   { 20, "ISDN" },
	{ 21, "RT" },	  { 22, "NSAP" },   { 24, "SIG" },     { 25, "KEY" },	   { 26, "PX" },
	{ 27, "GPOS" },	  { 28, "AAAA" },   { 29, "LOC" },     { 30, "NXT" },	   { 33, "SRV" },
	{ 34, "ATMA" },	  { 35, "NAPTR" },  { 36, "KX" },      { 37, "CERT" },	   { 38, "A6" },
	{ 39, "DNAME" },  { 40, "SINK" },   { 41, "OPT" },     { 43, "DS" },	   { 46, "RRSIG" },
	{ 47, "NSEC" },	  { 48, "DNSKEY" }, { 49, "DHCID" },   { 64, "SVCB" },	   { 65, "HTTPS" },
	{ 100, "UINFO" }, { 101, "UID" },   { 102, "GID" },    { 103, "UNSPEC" },  { 248, "ADDRS" },
	{ 249, "TKEY" },  { 250, "TSIG" },  { 251, "IXFR" },   { 252, "AXFR" },	   { 253, "MAILB" },
	{ 254, "MAILA" }, { 255, "ANY" },   { 65281, "WINS" }, { 65282, "WINSR" },
};

static void map_status(struct mapping *mapping)
{
	const struct raw_value *status = raw_get(mapping->raw, RAW_QueryStatus);
	int64_t code;
	if (!raw_integer(status, &code))
		return;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].code == code) {
			map_constant(mapping, FIELD_sysmon_dns_status, statuses[i].name);
			return;
		}
	map_text(mapping, FIELD_sysmon_dns_status, RAW_QueryStatus);
}

/* "type:  5 alias.example": the type's name and where the data begins; 0 = not this form. */
static size_t typed_answer(const char *answer, size_t size_bytes, const char **out_type)
{
	size_t at = 5;
	if (size_bytes < 7 || memcmp(answer, "type:", 5) != 0)
		return 0;
	while (at < size_bytes && answer[at] == ' ')
		at++;
	const size_t digits_at = at;
	while (at < size_bytes && answer[at] != ' ')
		at++;
	const struct raw_value digits = { .text = answer + digits_at,
					  .size_bytes = (uint32_t)(at - digits_at) };
	int64_t code;
	if (!raw_integer(&digits, &code))
		return 0;
	*out_type = NULL;
	for (size_t i = 0; i < sizeof(record_types) / sizeof(record_types[0]); i++)
		if (record_types[i].code == code)
			*out_type = record_types[i].name;
	while (at < size_bytes && answer[at] == ' ')
		at++;
	return at;
}

static void map_address(struct mapping *mapping, const struct ip_address *address)
{
	char text[IP_ADDRESS_TEXT_MAX];
	const size_t size_bytes = ip_address_format(address, text);
	event_add_text(mapping->builder, FIELD_dns_answers_data, text, size_bytes);
	map_constant(mapping, FIELD_dns_answers_type, ip_address_is_v4(address) ? "A" : "AAAA");
	event_add_address(mapping->builder, FIELD_dns_resolved_ip, address);
}

static void map_answer(struct mapping *mapping, const char *answer, size_t size_bytes)
{
	struct ip_address address;
	const char *type = NULL;
	if (ip_address_parse(answer, size_bytes, &address)) {
		map_address(mapping, &address);
		return;
	}
	const size_t data_at = typed_answer(answer, size_bytes, &type);
	if (data_at == 0 || data_at == size_bytes)
		return;
	event_add_text(mapping->builder, FIELD_dns_answers_data, answer + data_at,
		       size_bytes - data_at);
	if (type)
		map_constant(mapping, FIELD_dns_answers_type, type);
}

void sysmon_map_dns(struct mapping *mapping)
{
	map_constant(mapping, FIELD_network_protocol, "dns");
	map_text(mapping, FIELD_dns_question_name, RAW_QueryName);
	map_status(mapping);
	const struct raw_value *results = raw_get(mapping->raw, RAW_QueryResults);
	if (!results)
		return;
	const char *at = results->text;
	const char *const end = at + results->size_bytes;
	while (at < end) {
		const char *semicolon = memchr(at, ';', (size_t)(end - at));
		const char *const stop = semicolon ? semicolon : end;
		map_answer(mapping, at, (size_t)(stop - at));
		at = stop + (semicolon != NULL);
	}
}
