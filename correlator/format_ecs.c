/* Elastic Common Schema 8: an alert as one JSON object, keys in a fixed order.
 *
 * What ECS has no place for is under "procspan". Nothing under "kibana": that belongs to Elastic's
 * own indices.
 */
#include "correlator/format.h"

#include <string.h>

#include "correlator/event_json.h"
#include "correlator/json_fit.h"
#include "correlator/severity.h"

/* The events' own field sets, in the order that they stand in an alert. */
static const char *const carried[] = {
	"host.",       "user.",	  "process.", "Target.", "group.",    "source.",     "destination.",
	"client.",     "server.", "network.", "dns.",	 "tls.",      "http.",	     "url.",
	"user_agent.", "icmp.",	  "file.",    "dll.",	 "registry.", "powershell.",
};

/* Dropped in this order when the document is too large. */
static const struct json_cut cuts[] = {
	{ "procspan.rule.note", 0 },
	{ "procspan.rule.setup", 0 },
	{ "procspan.rule.references", 0 },
	{ "rule.reference", 0 },
	{ "procspan.sequence.*.process.parent.command_line", 0 },
	{ "process.parent.command_line", 0 },
	{ "related", 0 },
	{ "procspan.sequence.*.winlog", 0 },
	{ "procspan.sequence.*.process.args", 0 },
	{ "process.args", 0 },
	{ "process.parent.args", 0 },
	{ "procspan.sequence.*.process.parent", 0 },
	{ "procspan.sequence.*.process.hash", 0 },
	{ "procspan.sequence.*.process.pe", 0 },
	{ "procspan.sequence.*.powershell", 0 },
	{ "powershell", 0 },
	{ "procspan.rule.query", 0 },
	{ "procspan.rule.false_positives", 0 },
	{ "rule.description", 0 },
	{ "procspan.sequence.*.process.command_line", 512 },
	{ "process.command_line", 512 },
	{ "**", 256 },
	{ "procspan.sequence", 0 },
	{ "threat", 0 },
	{ "procspan.rule", 0 },
	{ "process.command_line", 64 },
	{ "process.parent", 0 },
	{ "process.pe", 0 },
	{ "process.code_signature", 0 },
	{ "process.Ext", 0 },
	{ "tags", 0 },
	{ "dns", 0 },
	{ "tls", 0 },
	{ "http", 0 },
	{ "url", 0 },
	{ "user_agent", 0 },
	{ "icmp", 0 },
	{ "Target", 0 },
	{ "group", 0 },
	{ "file", 0 },
	{ "dll", 0 },
	{ "registry", 0 },
	{ "client", 0 },
	{ "server", 0 },
	{ "process.hash", 0 },
	{ "process.executable", 0 },
	{ "process.command_line", 0 },
	{ "procspan.quality", 0 },
	{ "procspan.evidence", 0 },
	{ "procspan.flow", 0 },
	{ "procspan.clock", 0 },
	{ "procspan.wire", 0 },
	{ "procspan.attribution", 0 },
	{ "event.reason", 0 },
	{ "message", 0 },
	{ "rule.author", 0 },
	{ "rule.license", 0 },
	{ "rule.uuid", 0 },
	{ "ecs", 0 },
	{ "observer", 0 },
	{ "user", 0 },
	{ "host", 0 },
	{ "network", 0 },
	{ "source", 0 },
	{ "destination", 0 },
	{ "process", 0 },
	{ "event.start", 0 },
	{ "event.end", 0 },
	{ "event.created", 0 },
	{ "event.severity", 0 },
	{ "event.risk_score", 0 },
	{ "event.category", 0 },
	{ "event.module", 0 },
	{ "event.dataset", 0 },
	{ "procspan.alert", 0 },
	{ "procspan.cut", 0 },
	{ "rule.version", 0 },
	{ "rule.name", 24 },
	{ "rule", 0 },
};

static json_t *text_json(const char *text)
{
	return text ? json_clean_text(text, strlen(text)) : NULL; /* NULL: the key is left out */
}

static json_t *list_json(const struct text_list *list)
{
	json_t *array = list->count ? json_array() : NULL;
	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(array, text_json(list->items[i]));
	return array;
}

/* A string of the document, or nothing: no key with an empty value. */
static void put(json_t *object, const char *key, json_t *value)
{
	if (value)
		json_object_set_new(object, key, value);
}

static void put_fact(json_t *object, const char *key, const struct facts *facts, enum fact fact)
{
	if (facts->values[fact].bytes)
		put(object, key,
		    json_clean_text(facts->values[fact].bytes, facts->values[fact].size_bytes));
}

/* Once only: arrays here are sets. */
static void add_to_set(json_t *array, json_t *value)
{
	enum { SET_MAX = 64 };
	bool known = !value || json_array_size(array) >= SET_MAX;
	for (size_t i = 0; i < json_array_size(array) && !known; i++)
		known = json_equal(json_array_get(array, i), value);
	if (known)
		json_decref(value);
	else
		json_array_append_new(array, value);
}

static void add_field_to_set(json_t *array, const struct alert *alert, uint16_t field)
{
	for (size_t i = 0; i < alert->event_count; i++) {
		size_t count = 0;
		const struct event *event = alert->events[i];
		const struct event_value *values = event ? event_find(event, field, &count) : NULL;
		for (size_t j = 0; j < count; j++)
			add_to_set(array, json_event_value(event, &values[j]));
	}
}

/* An empty array is no value. */
static void put_set(json_t *object, const char *key, json_t *array)
{
	if (json_array_size(array))
		json_object_set_new(object, key, array);
	else
		json_decref(array);
}

static json_t *event_object(const struct format_context *context, const struct alert *alert)
{
	const struct severity severity =
		severity_of(alert->rule->severity, alert->rule->risk_score);
	uint64_t start_ns = alert->time_ns;
	for (size_t i = 0; i < alert->event_count; i++)
		if (alert->events[i] && alert->events[i]->time_ns < start_ns)
			start_ns = alert->events[i]->time_ns;
	json_t *event = json_object();
	put(event, "kind", json_string("alert"));
	json_t *categories = json_array();
	add_field_to_set(categories, alert, FIELD_event_category);
	put_set(event, "category", categories);
	put(event, "id", json_string(alert->id));
	put(event, "module", json_string(PRODUCT_NAME));
	put(event, "dataset", json_string(PRODUCT_NAME ".alert"));
	put(event, "severity", json_integer(severity.elastic));
	put(event, "risk_score", json_integer(alert->rule->risk_score));
	put(event, "created", json_time(context->now_ns ? context->now_ns : alert->time_ns));
	put(event, "start", json_time(start_ns));
	put(event, "end", json_time(alert->time_ns));
	put_fact(event, "reason", context->facts, FACT_summary);
	return event;
}

static json_t *rule_object(const struct rule *rule)
{
	json_t *object = json_object();
	put(object, "id", text_json(rule->id));
	put(object, "uuid", text_json(rule->id));
	put(object, "name", text_json(rule->name));
	put(object, "version", text_json(rule->version));
	put(object, "description", text_json(rule->description));
	put(object, "reference", list_json(&rule->references));
	put(object, "author", list_json(&rule->authors));
	put(object, "license", text_json(rule->license));
	return object;
}

/* {"id": [], "name": [], "reference": []}, the order of the first mention, no doubles. */
struct names {
	json_t *id, *name, *reference;
};

static struct names names_open(void)
{
	return (struct names){ json_array(), json_array(), json_array() };
}

static void names_add(struct names *names, const char *id, const char *name, const char *reference)
{
	add_to_set(names->id, text_json(id));
	add_to_set(names->name, text_json(name));
	add_to_set(names->reference, text_json(reference));
}

static json_t *names_object(struct names *names)
{
	json_t *object = json_object();
	put_set(object, "id", names->id);
	put_set(object, "name", names->name);
	put_set(object, "reference", names->reference);
	return object;
}

static json_t *threat_object(const struct rule *rule)
{
	if (rule->threat_count == 0)
		return NULL;
	struct names tactics = names_open();
	struct names techniques = names_open();
	struct names subtechniques = names_open();
	for (size_t i = 0; i < rule->threat_count; i++) {
		const struct rule_threat *threat = &rule->threats[i];
		names_add(&tactics, threat->tactic_id, threat->tactic_name,
			  threat->tactic_reference);
		for (size_t j = 0; j < threat->technique_count; j++) {
			const struct rule_technique *technique = &threat->techniques[j];
			names_add(&techniques, technique->id, technique->name,
				  technique->reference);
			for (size_t k = 0; k < technique->subtechnique_count; k++)
				names_add(&subtechniques, technique->subtechniques[k].id,
					  technique->subtechniques[k].name,
					  technique->subtechniques[k].reference);
		}
	}
	json_t *object = json_object();
	put(object, "framework", text_json(rule->threats[0].framework));
	put(object, "tactic", names_object(&tactics));
	json_t *technique_json = names_object(&techniques);
	json_t *subtechnique_json = names_object(&subtechniques);
	if (json_object_size(subtechnique_json))
		put(technique_json, "subtechnique", subtechnique_json);
	else
		json_decref(subtechnique_json);
	if (json_object_size(technique_json))
		put(object, "technique", technique_json);
	else
		json_decref(technique_json);
	return object;
}

static json_t *observer_object(const struct format_context *context)
{
	json_t *observer = json_object();
	put(observer, "vendor", json_string(PRODUCT_VENDOR));
	put(observer, "product", json_string(PRODUCT_NAME));
	put(observer, "type", json_string("sensor"));
	put(observer, "version", json_string(PRODUCT_VERSION));
	if (context->host_name && *context->host_name)
		put(observer, "name", text_json(context->host_name));
	return observer;
}

/* Which fields any of the events has. */
static void mark_fields(const struct alert *alert, bool present[FIELD_MAX])
{
	for (size_t i = 0; i < alert->event_count; i++)
		for (size_t j = 0; alert->events[i] && j < alert->events[i]->value_count; j++)
			present[alert->events[i]->values[j].field] = true;
}

/* The headline's values of every field that begins with the prefix. */
static void put_field_set(json_t *document, const struct headline *headline,
			  const bool present[FIELD_MAX], const char *prefix)
{
	for (uint16_t field = 0; field < fields_count(headline->fields); field++) {
		if (!present[field])
			continue;
		const char *name = fields_name(headline->fields, field);
		if (strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		const struct event *event;
		size_t count;
		const struct event_value *values = headline_values(headline, field, &event, &count);
		if (values)
			json_put_dotted(document, name, json_event_values(event, values, count));
	}
}

static json_t *related_object(const struct alert *alert)
{
	static const struct {
		const char *key;
		uint16_t fields[4];
	} kinds[] = {
		{ "ip",
		  { FIELD_source_ip, FIELD_destination_ip, FIELD_host_ip, FIELD_dns_resolved_ip } },
		{ "hosts",
		  { FIELD_host_name, FIELD_destination_domain, FIELD_dns_question_name,
		    FIELD_tls_client_server_name } },
		{ "user",
		  { FIELD_user_name, FIELD_user_target_name, FIELD_user_effective_name,
		    FIELD_source_user_name } },
		{ "hash",
		  { FIELD_process_hash_sha256, FIELD_process_hash_sha1, FIELD_process_hash_md5,
		    FIELD_file_hash_sha256 } },
	};
	json_t *related = json_object();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		json_t *set = json_array();
		for (size_t j = 0; j < 4; j++)
			add_field_to_set(set, alert, kinds[i].fields[j]);
		put_set(related, kinds[i].key, set);
	}
	return related;
}

/* What the rule's file says that has no name in ECS. */
static json_t *rule_metadata(const struct rule *rule, const struct facts *facts)
{
	json_t *object = json_object();
	put(object, "severity", text_json(severity_of(rule->severity, rule->risk_score).name));
	put(object, "risk_score", json_integer(rule->risk_score));
	put(object, "tags", list_json(&rule->tags));
	put(object, "false_positives", list_json(&rule->false_positives));
	put(object, "index", list_json(&rule->indices));
	put_fact(object, "interval", facts, FACT_interval);
	put_fact(object, "look_back", facts, FACT_look_back);
	if (rule->max_signals)
		put(object, "max_signals", json_integer(rule->max_signals));
	put(object, "language", text_json(rule->language));
	put(object, "query", text_json(rule->query));
	put(object, "building_block_type", text_json(rule->building_block_type));
	put(object, "note", text_json(rule->note));
	put(object, "setup", text_json(rule->setup));
	return object;
}

/* Each step whole, as the event itself, with its place in the rule and its times. */
static json_t *sequence_array(const struct format_context *context, const struct alert *alert)
{
	json_t *array = json_array();
	for (size_t i = 0; i < alert->event_count; i++) {
		const struct event *event = alert->events[i];
		if (!event) {
			json_array_append_new(array, json_null());
			continue;
		}
		json_t *step = json_event(event, context->fields);
		json_put_dotted(step, "procspan.step", json_integer((json_int_t)i + 1));
		json_put_dotted(step, "procspan.wire_time", json_time(event->time_ns));
		if (event->host_time_ns)
			json_put_dotted(step, "procspan.host_time", json_time(event->host_time_ns));
		if (event->received_ns)
			json_put_dotted(step, "procspan.received", json_time(event->received_ns));
		for (int j = 0; j < DATASET_COUNT; j++)
			if (event->datasets & 1U << j && *dataset_name((enum dataset)j)) {
				json_put_dotted(step, "procspan.dataset",
						json_string(dataset_name((enum dataset)j)));
				break;
			}
		json_array_append_new(array, step);
	}
	return array;
}

static json_t *quality_object(const struct alert *alert)
{
	json_t *quality = json_object();
	put(quality, "capture_loss_percent", json_real(alert->quality.capture_loss_percent));
	put(quality, "telemetry_lag_ms", json_integer((json_int_t)alert->quality.telemetry_lag_ms));
	put(quality, "waited_ms", json_integer((json_int_t)alert->quality.waited_ms));
	put(quality, "degraded", json_boolean(alert->quality.degraded));
	return quality;
}

static void put_own(json_t *document, const struct format_context *context,
		    const struct alert *alert, const bool present[FIELD_MAX])
{
	static const char *const sets[] = { "procspan.attribution.", "procspan.wire.",
					    "procspan.flow.", "procspan.clock.",
					    "procspan.evidence." };
	json_t *own = json_object();
	json_object_set_new(document, "procspan", own);
	json_t *kind = json_object();
	put(kind, "kind", json_string(alert->kind == ALERT_UPDATE ? "update" : "new"));
	put(kind, "update_count", json_integer(alert->update_count));
	put(own, "alert", kind);
	put(own, "rule", rule_metadata(alert->rule, context->facts));
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		put_field_set(document, &context->facts->headline, present, sets[i]);
	put(own, "quality", quality_object(alert));
	put(own, "sequence", sequence_array(context, alert));
}

static json_t *document_of(const struct format_context *context, const struct alert *alert)
{
	bool present[FIELD_MAX] = { false };
	mark_fields(alert, present);
	json_t *document = json_object();
	put(document, "@timestamp", json_time(alert->time_ns));
	put(document, "ecs", json_pack("{s:s}", "version", "8.11.0"));
	put_fact(document, "message", context->facts, FACT_summary);
	put(document, "tags", list_json(&alert->rule->tags));
	put(document, "event", event_object(context, alert));
	put(document, "rule", rule_object(alert->rule));
	put(document, "threat", threat_object(alert->rule));
	put(document, "observer", observer_object(context));
	for (size_t i = 0; i < sizeof(carried) / sizeof(carried[0]); i++)
		put_field_set(document, &context->facts->headline, present, carried[i]);
	put(document, "related", related_object(alert));
	put_own(document, context, alert, present);
	return document;
}

size_t format_ecs(const struct format_context *context, const struct alert *alert, char *out,
		  bool *out_truncated)
{
	enum { TERSE_BELOW = 1024 };
	struct text_writer header = { .out = out, .room_bytes = context->max_size };
	facts_gather(alert, context->fields, context->host_name, context->facts);
	if (context->syslog_header) {
		format_syslog_header(context, alert, 6, context->max_size < TERSE_BELOW, &header);
		write_words(&header, "- ");
	}
	json_t *document = document_of(context, alert);
	/* ASCII behind a syslog header: nobody can mistake its encoding there. */
	const size_t flags = EVENT_JSON_FLAGS | (context->syslog_header ? JSON_ENSURE_ASCII : 0);
	size_t size = json_fit(document, cuts, sizeof(cuts) / sizeof(cuts[0]), "procspan.truncated",
			       "procspan.cut", flags, out + header.used_bytes,
			       context->max_size - header.used_bytes, out_truncated);
	json_decref(document);
	return size > context->max_size - header.used_bytes ? 0 : header.used_bytes + size;
}
