#include "correlator/headline.h"

#include <string.h>

/* The last event that has one of the fields; a field further left counts more. */
static const struct event *last_with(const struct alert *alert, const uint16_t *any_of,
				     size_t count)
{
	for (size_t field = 0; field < count; field++)
		for (size_t i = alert->event_count; i-- > 0;)
			if (alert->events[i] && event_find(alert->events[i], any_of[field], NULL))
				return alert->events[i];
	return NULL;
}

void headline_find(const struct alert *alert, const struct fields *fields,
		   struct headline *out_headline)
{
	static const uint16_t process[] = { FIELD_process_entity_id, FIELD_process_pid,
					    FIELD_process_name };
	static const uint16_t flow[] = { FIELD_destination_ip, FIELD_source_ip };
	static const uint16_t host[] = { FIELD_host_name, FIELD_host_id };
	*out_headline = (struct headline){
		.alert = alert,
		.fields = fields,
		.process = last_with(alert, process, 3),
		.flow = last_with(alert, flow, 2),
		.host = last_with(alert, host, 2),
	};
	/* The process's own host, where it has one: two hosts may meet in one alert. */
	if (out_headline->process && (event_find(out_headline->process, FIELD_host_name, NULL) ||
				      event_find(out_headline->process, FIELD_host_id, NULL)))
		out_headline->host = out_headline->process;
}

enum agreement { DIFFERENT, UNKNOWN, EQUAL };

/* Do two events agree on a field's first value? */
static enum agreement agree(const struct event *left, const struct event *right, uint16_t field)
{
	const struct event_value *a = event_find(left, field, NULL);
	const struct event_value *b = event_find(right, field, NULL);
	if (!a || !b || a->type != b->type)
		return UNKNOWN;
	const void *a_at = event_at(left, a);
	const void *b_at = event_at(right, b);
	if (a->type == VALUE_TEXT) {
		const struct event_text *a_text = a_at;
		const struct event_text *b_text = b_at;
		return a_text->size_bytes == b_text->size_bytes &&
				       memcmp(a_text->bytes, b_text->bytes, a_text->size_bytes) == 0
			       ? EQUAL
			       : DIFFERENT;
	}
	const size_t size = a->type == VALUE_ADDRESS ? sizeof(struct ip_address) : sizeof(int64_t);
	return memcmp(a_at, b_at, size) == 0 ? EQUAL : DIFFERENT;
}

static bool same_host(const struct event *left, const struct event *right)
{
	return agree(left, right, FIELD_host_name) != DIFFERENT &&
	       agree(left, right, FIELD_host_id) != DIFFERENT;
}

static bool same_process(const struct event *left, const struct event *right)
{
	const enum agreement entity = agree(left, right, FIELD_process_entity_id);
	if (entity != UNKNOWN)
		return entity == EQUAL;
	return agree(left, right, FIELD_process_pid) == EQUAL && same_host(left, right);
}

static bool same_flow(const struct event *left, const struct event *right)
{
	static const uint16_t tuple[] = { FIELD_source_ip, FIELD_source_port, FIELD_destination_ip,
					  FIELD_destination_port };
	for (size_t i = 0; i < sizeof(tuple) / sizeof(tuple[0]); i++)
		if (agree(left, right, tuple[i]) != EQUAL)
			return false;
	return true;
}

static bool begins_with(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* May this event speak for the headline about this field? */
static bool may_speak(const struct headline *headline, const struct event *event, const char *name)
{
	static const char *const of_flow[] = { "source.", "destination.", "client.",
					       "server.", "network.",	  "tls.",
					       "http.",	  "url.",	  "procspan." };
	const bool of_process = begins_with(name, "process.");
	if (headline->process && (of_process || begins_with(name, "user.")))
		return event == headline->process || same_process(event, headline->process);
	for (size_t i = 0; i < sizeof(of_flow) / sizeof(of_flow[0]); i++)
		if (headline->flow && begins_with(name, of_flow[i]))
			return event == headline->flow || same_flow(event, headline->flow);
	return !headline->host || same_host(event, headline->host);
}

const struct event_value *headline_values(const struct headline *headline, uint16_t field,
					  const struct event **out_event, size_t *out_count)
{
	const char *name = fields_name(headline->fields, field);
	const struct alert *alert = headline->alert;
	for (size_t i = alert->event_count; i-- > 0;) {
		const struct event *event = alert->events[i];
		size_t count;
		const struct event_value *values = event ? event_find(event, field, &count) : NULL;
		if (!values || !may_speak(headline, event, name))
			continue;
		*out_event = event;
		*out_count = count;
		return values;
	}
	return NULL;
}
