#include "correlator/event_json.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/output.h"
#include "correlator/text.h"

json_t *json_clean_text(const char *text, size_t size_bytes)
{
	size_t clean_bytes = 0;
	bool is_clean = true;
	for (size_t at = 0; at < size_bytes;) {
		uint32_t code;
		const size_t step = text_next_code(text + at, size_bytes - at, &code);
		const bool bad = text_code_is_bad(code);
		is_clean = is_clean && !bad;
		clean_bytes += bad ? TEXT_REPLACEMENT_BYTES : step;
		at += step;
	}
	if (is_clean)
		return json_stringn_nocheck(text, size_bytes);

	char *copy = malloc(clean_bytes);
	if (!copy)
		return NULL;
	char *to = copy;
	for (size_t at = 0; at < size_bytes;) {
		uint32_t code;
		const size_t step = text_next_code(text + at, size_bytes - at, &code);
		const bool bad = text_code_is_bad(code);
		memcpy(to, bad ? TEXT_REPLACEMENT : text + at, bad ? TEXT_REPLACEMENT_BYTES : step);
		to += bad ? TEXT_REPLACEMENT_BYTES : step;
		at += step;
	}
	json_t *json = json_stringn_nocheck(copy, clean_bytes);
	free(copy);
	return json;
}

json_t *json_time(uint64_t unix_ns)
{
	char text[TIME_TEXT_MAX];
	const size_t size = time_format_iso8601(unix_ns, 9, text);
	return json_stringn_nocheck(text, size);
}

json_t *json_event_value(const struct event *event, const struct event_value *value)
{
	const void *at = event_at(event, value);
	const struct event_text *text;
	char address[IP_ADDRESS_TEXT_MAX];
	switch ((enum value_type)value->type) {
	case VALUE_TEXT:
		text = at;
		return json_clean_text(text->bytes, text->size_bytes);
	case VALUE_INTEGER:
		return json_integer(*(const int64_t *)at);
	case VALUE_DOUBLE:
		return json_real(*(const double *)at); /* NULL for NaN and infinities */
	case VALUE_BOOLEAN:
		return json_boolean(*(const int64_t *)at != 0);
	case VALUE_ADDRESS:
		return json_stringn_nocheck(address, ip_address_format(at, address));
	case VALUE_TIME:
		return json_time(*(const uint64_t *)at);
	}
	return NULL;
}

json_t *json_event_values(const struct event *event, const struct event_value *values, size_t count)
{
	if (count == 1)
		return json_event_value(event, values);
	json_t *array = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_event_value(event, &values[i]));
	return array;
}

void json_put_dotted(json_t *object, const char *path, json_t *value)
{
	for (;;) {
		const char *dot = strchr(path, '.');
		if (!dot || dot == path || dot[1] == '\0')
			break;
		char name[FIELD_NAME_MAX + 1];
		const size_t size = (size_t)(dot - path);
		if (size >= sizeof(name))
			break;
		memcpy(name, path, size);
		name[size] = '\0';
		json_t *child = json_object_get(object, name);
		if (!child) {
			child = json_object();
			if (json_object_set_new(object, name, child) != 0) { /* not UTF-8 */
				json_decref(value);
				return;
			}
		}
		if (!json_is_object(child))
			break;
		object = child;
		path = dot + 1;
	}
	/* `a` after `a.b`: the object stays, the value is kept beside its children. */
	if (json_is_object(json_object_get(object, path)) && !json_is_object(value))
		json_object_set_new(json_object_get(object, path), "", value);
	else
		json_object_set_new(object, path, value);
}

json_t *json_event(const struct event *event, const struct fields *fields)
{
	json_t *object = json_object();
	size_t count;
	const struct event_value *own = event_find(event, FIELD_timestamp, &count);
	json_object_set_new(object, "@timestamp",
			    own ? json_event_values(event, own, count) : json_time(event->time_ns));
	for (size_t i = 0; i < event->value_count; i += count) {
		const struct event_value *values = &event->values[i];
		for (count = 1; i + count < event->value_count;)
			if (values[count++].field != values->field) {
				count--;
				break;
			}
		if (values->field != FIELD_timestamp)
			json_put_dotted(object, fields_name(fields, values->field),
					json_event_values(event, values, count));
	}
	return object;
}

size_t event_format_json(const struct event *event, const struct fields *fields, char *out,
			 size_t size)
{
	json_t *object = json_event(event, fields);
	const size_t length = json_dumpb(object, out, size, EVENT_JSON_FLAGS);
	json_decref(object);
	if (size > 0)
		out[length < size ? length : size - 1] = '\0';
	return length;
}
