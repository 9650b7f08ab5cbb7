#include "collector/input/mapping.h"

#include <string.h>
#include <strings.h>

#include "collector/flow.h"

enum { IP_TCP = 6, IP_UDP = 17, IP_ICMP = 1, IP_ICMPV6 = 58 };

void map_text(struct mapping *mapping, uint16_t field, uint16_t slot)
{
	const struct raw_value *value = raw_get(mapping->raw, slot);
	if (value)
		event_add_text(mapping->builder, field, value->text, value->size_bytes);
}

void map_typed(struct mapping *mapping, uint16_t field, uint16_t slot)
{
	const struct raw_value *value = raw_get(mapping->raw, slot);
	if (value)
		event_add_as_field_type(mapping->builder, field, value->text, value->size_bytes);
}

void map_constant(struct mapping *mapping, uint16_t field, const char *text)
{
	event_add_text(mapping->builder, field, text, strlen(text));
}

void map_list(struct mapping *mapping, uint16_t field, const char *texts)
{
	while (*texts) {
		const size_t size_bytes = strcspn(texts, ",");
		event_add_text(mapping->builder, field, texts, size_bytes);
		texts += size_bytes + (texts[size_bytes] == ',');
	}
}

/* Where the part after the last backslash begins; the size itself when there is none. */
static size_t name_start(const struct raw_value *path)
{
	const char *backslash = memrchr(path->text, '\\', path->size_bytes);
	return backslash ? (size_t)(backslash + 1 - path->text) : path->size_bytes;
}

void map_image(struct mapping *mapping, uint16_t path_field, uint16_t name_field, uint16_t slot)
{
	const struct raw_value *path = raw_get(mapping->raw, slot);
	if (!path)
		return;
	event_add_text(mapping->builder, path_field, path->text, path->size_bytes);
	const size_t start = name_start(path);
	if (start < path->size_bytes)
		event_add_text(mapping->builder, name_field, path->text + start,
			       path->size_bytes - start);
}

void map_account(struct mapping *mapping, uint16_t domain_field, uint16_t name_field, uint16_t slot)
{
	const struct raw_value *account = raw_get(mapping->raw, slot);
	if (!account)
		return;
	const char *backslash = memchr(account->text, '\\', account->size_bytes);
	const size_t domain_bytes = backslash ? (size_t)(backslash - account->text) : 0;
	const size_t name_at = backslash ? domain_bytes + 1 : 0;
	if (domain_bytes > 0)
		event_add_text(mapping->builder, domain_field, account->text, domain_bytes);
	if (name_at < account->size_bytes)
		event_add_text(mapping->builder, name_field, account->text + name_at,
			       account->size_bytes - name_at);
}

void map_file(struct mapping *mapping, const struct raw_value *path)
{
	if (!path)
		return;
	event_add_text(mapping->builder, FIELD_file_path, path->text, path->size_bytes);
	const size_t start = name_start(path);
	if (start == path->size_bytes)
		return;
	const char *name = path->text + start;
	const size_t name_bytes = path->size_bytes - start;
	event_add_text(mapping->builder, FIELD_file_name, name, name_bytes);
	if (start > 1)
		event_add_text(mapping->builder, FIELD_file_directory, path->text, start - 1);
	const char *dot = memrchr(name, '.', name_bytes);
	if (dot && dot + 1 < name + name_bytes)
		event_add_text(mapping->builder, FIELD_file_extension, dot + 1,
			       (size_t)(name + name_bytes - dot - 1));
}

static bool ends_endpoint(struct mapping *mapping, uint16_t ip_slot, uint16_t port_slot,
			  struct ip_address *out_address, uint16_t *out_port)
{
	const struct raw_value *ip = raw_get(mapping->raw, ip_slot);
	int64_t port = 0;
	if (!ip || !ip_address_parse(ip->text, ip->size_bytes, out_address))
		return false;
	raw_integer(raw_get(mapping->raw, port_slot), &port);
	if (port < 0 || port > UINT16_MAX)
		return false;
	*out_port = (uint16_t)port;
	return true;
}

void map_flow(struct mapping *mapping, uint16_t source_ip, uint16_t source_port,
	      uint16_t destination_ip, uint16_t destination_port, uint8_t ip_protocol)
{
	struct ip_address source;
	struct ip_address destination;
	uint16_t from = 0;
	uint16_t to = 0;
	if (!event_wants(mapping->builder, FIELD_network_community_id) ||
	    !ends_endpoint(mapping, source_ip, source_port, &source, &from) ||
	    !ends_endpoint(mapping, destination_ip, destination_port, &destination, &to) ||
	    ip_protocol == 0)
		return;
	char text[COMMUNITY_ID_TEXT_MAX];
	community_id(0, &source, from, &destination, to, ip_protocol, text);
	map_constant(mapping, FIELD_network_community_id, text);
}

uint8_t map_ip_protocol(const struct raw_value *value)
{
	int64_t number;
	if (raw_equals(value, "tcp"))
		return IP_TCP;
	if (raw_equals(value, "udp"))
		return IP_UDP;
	if (raw_integer(value, &number) && number > 0 && number <= UINT8_MAX)
		return (uint8_t)number;
	return 0;
}
