#include "correlator/flow_format.h"

#include <jansson.h>
#include <math.h>

const char *flow_status_name(enum flow_status status)
{
	static const char *const names[] = { "owned", "unreported", "uninstrumented",
					     "cannot_judge" };
	return names[status];
}

const char *attribution_name(enum attribution_method method)
{
	static const char *const names[] = {
#define ATTRIBUTION(name, help) #name,
#include "correlator/attribution.def"
#undef ATTRIBUTION
	};
	return method == ATTRIBUTION_NONE ? NULL : names[method];
}

static json_t *time_json(uint64_t unix_ns)
{
	char text[TIME_TEXT_MAX];
	time_format_iso8601(unix_ns, 9, text);
	return json_string(text);
}

static const char *transport_name(uint8_t ip_protocol)
{
	switch (ip_protocol) {
	case 1:
		return "icmp";
	case 6:
		return "tcp";
	case 17:
		return "udp";
	case 58:
		return "ipv6-icmp";
	case 132:
		return "sctp";
	default:
		return NULL;
	}
}

static const char *end_reason_name(uint8_t reason)
{
	static const char *const names[] = { "open",	"fin",	   "rst",     "idle",
					     "timeout", "evicted", "finished" };
	return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "open";
}

/* The value of a text or number field of the joined event, under the last part of its name. */
static void copy_field(json_t *into, const char *key, const struct event *event, uint16_t field)
{
	int64_t number;
	const struct event_text *text = event_text(event, field);
	if (text)
		json_object_set_new(into, key, json_stringn(text->bytes, text->size_bytes));
	else if (event_integer(event, field, &number))
		json_object_set_new(into, key, json_integer(number));
}

/* Who owns an end, as process.* and host.*; an end that nobody owns has neither. */
static void add_owner(json_t *end, const struct flow_owner *owner)
{
	if (owner->method == ATTRIBUTION_NONE)
		return;
	json_t *attribution = json_pack(
		"{s:s, s:f, s:i}", "method", attribution_name(owner->method), "confidence",
		owner->confidence, "candidates", (int)owner->candidate_count);
	json_object_set_new(end, "procspan", json_pack("{s:o}", "attribution", attribution));
	if (!owner->event)
		return;
	json_t *process = json_object();
	copy_field(process, "entity_id", owner->event, FIELD_process_entity_id);
	copy_field(process, "pid", owner->event, FIELD_process_pid);
	copy_field(process, "name", owner->event, FIELD_process_name);
	copy_field(process, "executable", owner->event, FIELD_process_executable);
	json_object_set_new(end, "process", process);
	json_t *host = json_object();
	copy_field(host, "name", owner->event, FIELD_host_name);
	json_object_set_new(end, "host", host);
}

static json_t *end_json(const struct ip_address *address, uint16_t port,
			const struct flow_half *half, const struct flow_owner *owner)
{
	char text[IP_ADDRESS_TEXT_MAX];
	ip_address_format(address, text);
	json_t *end =
		json_pack("{s:s, s:i, s:I, s:I}", "ip", text, "port", (int)port, "bytes",
			  (json_int_t)half->wire_bytes, "packets", (json_int_t)half->packet_count);
	add_owner(end, owner);
	return end;
}

static json_int_t sum(uint64_t left, uint64_t right)
{
	const uint64_t both = left + right;
	return (json_int_t)both;
}

static json_t *network_json(const struct flow_event *flow)
{
	char id[COMMUNITY_ID_TEXT_MAX];
	community_id(0, &flow->source, flow->source_port, &flow->destination,
		     flow->destination_port, flow->ip_protocol, id);
	json_t *network = json_object();
	const char *transport = transport_name(flow->ip_protocol);
	if (transport)
		json_object_set_new(network, "transport", json_string(transport));
	json_object_set_new(network, "iana_number", json_sprintf("%u", flow->ip_protocol));
	json_object_set_new(network, "type",
			    json_string(ip_address_is_v4(&flow->source) ? "ipv4" : "ipv6"));
	json_object_set_new(network, "community_id", json_string(id));
	json_object_set_new(
		network, "bytes",
		json_integer(sum(flow->from_source.wire_bytes, flow->from_destination.wire_bytes)));
	json_object_set_new(network, "packets",
			    json_integer(sum(flow->from_source.packet_count,
					     flow->from_destination.packet_count)));
	if (flow->vlan_ids[0])
		json_object_set_new(
			network, "vlan",
			json_pack("{s:o}", "id", json_sprintf("%u", flow->vlan_ids[0])));
	return network;
}

static json_t *procspan_json(const struct settled_flow *settled, const struct flow_owner *owner)
{
	const struct flow_event *flow = settled->flow;
	json_t *procspan = json_pack("{s:{s:o, s:s, s:b, s:s}}", "flow", "id",
				     json_sprintf("%016llx", (unsigned long long)flow->flow_id),
				     "status", flow_status_name(settled->status), "midstream",
				     (flow->flags & FLOW_MIDSTREAM) != 0, "end_reason",
				     end_reason_name(flow->end_reason));
	if (settled->status == FLOW_STATUS_UNREPORTED)
		json_object_set_new(json_object_get(procspan, "flow"), "expected_report",
				    json_real(round(settled->expected_report * 1000) / 1000));
	if (owner->method != ATTRIBUTION_NONE)
		json_object_set_new(procspan, "attribution",
				    json_pack("{s:s, s:f, s:i}", "method",
					      attribution_name(owner->method), "confidence",
					      owner->confidence, "candidates",
					      (int)owner->candidate_count));
	return procspan;
}

/* The names that the flow asked for, where ECS has them. */
static void add_names(json_t *root, const struct flow_names *names)
{
	const char *domain = flow_names_domain(names);
	if (domain)
		json_object_set_new(json_object_get(root, "destination"), "domain",
				    json_string_nocheck(domain));
	json_t *client = json_object();
	if (names->server_name)
		json_object_set_new(client, "server_name", json_string_nocheck(names->server_name));
	if (names->ja4)
		json_object_set_new(client, "ja4", json_string_nocheck(names->ja4));
	if (json_object_size(client))
		json_object_set_new(root, "tls", json_pack("{s:O}", "client", client));
	json_decref(client);
	if (names->http_host)
		json_object_set_new(
			root, "url",
			json_pack("{s:o}", "domain", json_string_nocheck(names->http_host)));
}

bool flow_write_json(const struct settled_flow *settled, FILE *stream)
{
	const struct flow_event *flow = settled->flow;
	json_t *root = json_object();
	json_object_set_new(root, "@timestamp", time_json(flow->start_ns));
	json_object_set_new(root, "event",
			    json_pack("{s:s, s:[s], s:o, s:o, s:I}", "kind", "event", "category",
				      "network", "start", time_json(flow->start_ns), "end",
				      time_json(flow->last_ns), "duration",
				      (json_int_t)(flow->last_ns - flow->start_ns)));
	json_object_set_new(root, "network", network_json(flow));
	json_object_set_new(
		root, "source",
		end_json(&flow->source, flow->source_port, &flow->from_source, &settled->source));
	json_object_set_new(root, "destination",
			    end_json(&flow->destination, flow->destination_port,
				     &flow->from_destination, &settled->destination));
	add_names(root, &settled->names);
	const bool source_owned = settled->source.method != ATTRIBUTION_NONE;
	const struct flow_owner *owner = source_owned ? &settled->source : &settled->destination;
	if (owner->method != ATTRIBUTION_NONE) {
		json_t *end = json_object_get(root, source_owned ? "source" : "destination");
		json_object_set(root, "process", json_object_get(end, "process"));
		json_object_set(root, "host", json_object_get(end, "host"));
	}
	json_object_set_new(root, "procspan", procspan_json(settled, owner));
	const int failed = json_dumpf(root, stream, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(root);
	return failed == 0 && putc('\n', stream) != EOF;
}
