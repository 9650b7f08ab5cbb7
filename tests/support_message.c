#include "tests/support_message.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many bytes follow a lead byte; 9 = none may stand here. */
static size_t bytes_after(unsigned char lead)
{
	if (lead < 0x80)
		return lead < 0x20 || lead == 0x7f ? 9 : 0;
	if (lead < 0xc2 || lead > 0xf4)
		return 9;
	return lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
}

bool is_clean_utf8(const char *bytes, size_t size)
{
	for (size_t i = 0; i < size;) {
		const unsigned char lead = (unsigned char)bytes[i];
		const size_t more = bytes_after(lead);
		if (more == 9 || more >= size - i)
			return false;
		if (lead == 0xc2 && (unsigned char)bytes[i + 1] < 0xa0)
			return false; /* C1 */
		for (size_t j = 1; j <= more; j++)
			if (((unsigned char)bytes[i + j] & 0xc0) != 0x80)
				return false;
		i += more + 1;
	}
	return true;
}

static bool wrong(struct parsed *out, const char *what)
{
	out->wrong = what;
	return false;
}

static const char *keep(struct parsed *out, const char *bytes, size_t size)
{
	char *kept = out->heap + out->heap_used;
	memcpy(kept, bytes, size);
	kept[size] = '\0';
	out->heap_used += size + 1;
	return kept;
}

/* 1..max characters of printable ASCII, up to a space. */
static bool take_name(struct parsed *out, const char **at, const char *end, size_t max,
		      const char **out_name)
{
	const char *start = *at;
	while (*at < end && **at != ' ') {
		if (**at < 33 || **at > 126)
			return wrong(out, "header is not printable ASCII");
		(*at)++;
	}
	const size_t size = (size_t)(*at - start);
	if (size == 0 || size > max || *at == end)
		return wrong(out, "header field of a bad length");
	*out_name = keep(out, start, size);
	(*at)++;
	return true;
}

/* "2026-11-23T11:37:00.123456Z" with 1 to 6 fraction digits. */
static bool is_timestamp(const char *text)
{
	static const char shape[] = "0000-00-00T00:00:00.";
	size_t i = 0;
	for (; shape[i]; i++)
		if (shape[i] == '0' ? !isdigit((unsigned char)text[i]) : text[i] != shape[i])
			return false;
	const size_t digits = strspn(text + i, "0123456789");
	return digits >= 1 && digits <= 6 && strcmp(text + i + digits, "Z") == 0;
}

/* A value up to an unescaped quote. */
static const char *take_quoted(struct parsed *out, const char **at, const char *end)
{
	char *value = out->heap + out->heap_used;
	size_t size = 0;
	while (*at < end && **at != '"') {
		if (**at == ']')
			return NULL; /* must be escaped */
		if (**at == '\\') {
			(*at)++;
			if (*at == end || !strchr("\"\\]", **at))
				return NULL; /* we escape nothing else */
		}
		value[size++] = *(*at)++;
	}
	if (*at == end || !is_clean_utf8(value, size))
		return NULL;
	(*at)++;
	value[size] = '\0';
	out->heap_used += size + 1;
	return value;
}

static const char *take_sd_name(struct parsed *out, const char **at, const char *end)
{
	const char *start = *at;
	while (*at<end &&* * at> 32 && **at < 127 && !strchr("=]\"", **at))
		(*at)++;
	const size_t size = (size_t)(*at - start);
	return size >= 1 && size <= 32 ? keep(out, start, size) : NULL;
}

static bool take_element(struct parsed *out, const char **at, const char *end)
{
	(*at)++;
	const char *element = take_sd_name(out, at, end);
	if (!element)
		return wrong(out, "bad SD-ID");
	for (size_t i = 0; i < out->pair_count; i++)
		if (strcmp(out->pairs[i].element, element) == 0)
			return wrong(out, "SD-ID twice");
	while (*at < end && **at == ' ') {
		(*at)++;
		const char *name = take_sd_name(out, at, end);
		if (!name || *at + 1 >= end || *(*at)++ != '=' || *(*at)++ != '"')
			return wrong(out, "bad PARAM-NAME");
		const char *value = take_quoted(out, at, end);
		if (!value || out->pair_count == MESSAGE_PAIRS_MAX)
			return wrong(out, "bad PARAM-VALUE");
		out->pairs[out->pair_count++] = (struct pair){ element, name, value };
	}
	if (*at == end || **at != ']')
		return wrong(out, "element without an end");
	(*at)++;
	return true;
}

bool parse_rfc5424(const char *bytes, size_t size, struct parsed *out)
{
	const char *at = bytes;
	const char *const end = bytes + size;
	memset(out, 0, offsetof(struct parsed, heap));
	out->heap_used = 0;
	char *after;
	if (size < 5 || *at != '<')
		return wrong(out, "no PRI");
	out->priority = (int)strtol(at + 1, &after, 10);
	if (after[0] != '>' || after[1] != '1' || after[2] != ' ' || out->priority > 191)
		return wrong(out, "bad PRI or version");
	at = after + 3;
	const char *time;
	if (!take_name(out, &at, end, 32, &time) || !is_timestamp(time))
		return wrong(out, "bad TIMESTAMP");
	if (!take_name(out, &at, end, 255, &out->host) ||
	    !take_name(out, &at, end, 48, &out->application) ||
	    !take_name(out, &at, end, 128, &out->process_id) ||
	    !take_name(out, &at, end, 32, &out->message_id))
		return false;
	if (at < end && *at == '-')
		at++;
	else if (at == end || *at != '[')
		return wrong(out, "no STRUCTURED-DATA");
	while (at < end && *at == '[')
		if (!take_element(out, &at, end))
			return false;
	if (at < end && *at++ != ' ')
		return wrong(out, "rubbish after the structured data");
	if (!is_clean_utf8(at, (size_t)(end - at)))
		return wrong(out, "MSG with controls or bad UTF-8");
	out->message = keep(out, at, (size_t)(end - at));
	return true;
}

/* The fields before the extension: `count` pipes, with \| and \\ where `escapes`. */
static const char *take_pipes(struct parsed *out, const char *at, const char *end, size_t count,
			      bool escapes)
{
	while (out->header_count < count) {
		char *field = out->heap + out->heap_used;
		size_t size = 0;
		for (; at < end && *at != '|'; at++) {
			if (escapes && *at == '\\' && ++at < end && *at != '|' && *at != '\\')
				return NULL;
			if (at == end || *at < 32 || *at > 126)
				return NULL;
			field[size++] = *at;
		}
		if (at == end)
			return NULL;
		at++;
		field[size] = '\0';
		out->heap_used += size + 1;
		out->header[out->header_count++] = field;
	}
	return at;
}

static bool is_key(const char *at, const char *end, size_t *out_size)
{
	size_t size = 0;
	while (at + size < end && isalnum((unsigned char)at[size]))
		size++;
	*out_size = size;
	return size > 0 && at + size < end && at[size] == '=';
}

/* A CEF value ends before " key="; an equals sign in a value is escaped. */
static const char *take_cef_value(struct parsed *out, const char *at, const char *end)
{
	char *value = out->heap + out->heap_used;
	size_t size = 0;
	size_t key_bytes;
	while (at < end && !(*at == ' ' && is_key(at + 1, end, &key_bytes))) {
		if (*at < 32 || *at > 126 || *at == '=')
			return NULL;
		if (*at == '\\') {
			if (++at == end || !strchr("\\=nr", *at))
				return NULL;
			value[size++] = (char)(*at == 'n' ? '\n' : *at == 'r' ? '\r' : *at);
			at++;
			continue;
		}
		value[size++] = *at++;
	}
	value[size] = '\0';
	out->heap_used += size + 1;
	out->pairs[out->pair_count++].value = value;
	return at;
}

bool parse_cef(const char *bytes, size_t size, struct parsed *out)
{
	const char *const end = bytes + size;
	memset(out, 0, offsetof(struct parsed, heap));
	out->heap_used = 0;
	if (size < 6 || memcmp(bytes, "CEF:0|", 6) != 0)
		return wrong(out, "no CEF:0");
	const char *at = take_pipes(out, bytes + 6, end, 6, true);
	if (!at)
		return wrong(out, "bad CEF header");
	while (at < end && out->pair_count < MESSAGE_PAIRS_MAX) {
		size_t key_bytes;
		if (!is_key(at, end, &key_bytes))
			return wrong(out, "bad CEF key");
		out->pairs[out->pair_count].name = keep(out, at, key_bytes);
		at = take_cef_value(out, at + key_bytes + 1, end);
		if (!at)
			return wrong(out, "bad CEF value");
		at += at < end;
	}
	return true;
}

bool parse_leef(const char *bytes, size_t size, struct parsed *out)
{
	const char *const end = bytes + size;
	memset(out, 0, offsetof(struct parsed, heap));
	out->heap_used = 0;
	if (size < 9 || memcmp(bytes, "LEEF:2.0|", 9) != 0)
		return wrong(out, "no LEEF:2.0");
	const char *at = take_pipes(out, bytes + 9, end, 5, false);
	if (!at || strcmp(out->header[4], "^") != 0)
		return wrong(out, "bad LEEF header");
	while (at < end && out->pair_count < MESSAGE_PAIRS_MAX) {
		const char *stop = memchr(at, '^', (size_t)(end - at));
		stop = stop ? stop : end;
		size_t key_bytes;
		if (!is_key(at, stop, &key_bytes))
			return wrong(out, "bad LEEF key");
		for (const char *c = at; c < stop; c++)
			if (*c < 32 || *c > 126)
				return wrong(out, "LEEF value is not printable ASCII");
		struct pair *pair = &out->pairs[out->pair_count++];
		pair->name = keep(out, at, key_bytes);
		pair->value = keep(out, at + key_bytes + 1, (size_t)(stop - at) - key_bytes - 1);
		at = stop + (stop < end);
	}
	return true;
}

const char *parsed_value(const struct parsed *parsed, const char *element, const char *name)
{
	for (size_t i = 0; i < parsed->pair_count; i++)
		if (strcmp(parsed->pairs[i].name, name) == 0 &&
		    (!element || strcmp(parsed->pairs[i].element, element) == 0))
			return parsed->pairs[i].value;
	return NULL;
}
