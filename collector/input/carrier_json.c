/* Reads a JSON host event by its token index: each key costs one hash lookup, and what nobody
 * wants is stepped over without being looked at. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/input/carrier.h"
#include "collector/input/json.h"

struct carrier_json {
	const struct keys *keys;
	struct json_parser *parser;
};

/* A walk over one text. `at` is the token under the finger. */
struct walk {
	const struct keys *keys;
	const char *json;
	struct json_index index;
	size_t at;
	struct raw_event *raw;
	struct raw_value pair_name; /* of {"@Name": name, "#text": value} */
	struct raw_value pair_text;
};

static bool walk_value(struct walk *walk, uint16_t node, const struct key_meaning *meaning,
		       int depth);

struct carrier_json *carrier_json_open(const struct keys *keys)
{
	struct carrier_json *carrier = calloc(1, sizeof(*carrier));
	if (!carrier)
		return NULL;
	carrier->keys = keys;
	carrier->parser = json_parser_open();
	if (carrier->parser)
		return carrier;
	carrier_json_close(carrier);
	errno = ENOMEM;
	return NULL;
}

void carrier_json_close(struct carrier_json *carrier)
{
	if (!carrier)
		return;
	json_parser_close(carrier->parser);
	free(carrier);
}

/* The token's first character; '\0' past the last one. */
static char token(const struct walk *walk)
{
	if (walk->at >= walk->index.count)
		return '\0';
	return walk->json[walk->index.at_bytes[walk->at]];
}

static bool is_space(char character)
{
	return character == ' ' || character == '\t' || character == '\n' || character == '\r';
}

/* The text of a scalar token: from its first byte to the last one before the next token that is not
 * white space. Quotes included. */
static struct raw_value token_text(const struct walk *walk)
{
	const uint32_t start = walk->index.at_bytes[walk->at];
	uint32_t end = walk->index.at_bytes[walk->at + 1]; /* the list ends with the text's size */
	while (end > start && is_space(walk->json[end - 1]))
		end--;
	return (struct raw_value){ .text = walk->json + start, .size_bytes = end - start };
}

/* The inside of the string token, not decoded. False: it does not end in a quote. */
static bool string_inside(const struct walk *walk, struct raw_value *out_inside)
{
	const struct raw_value quoted = token_text(walk);
	if (quoted.size_bytes < 2 || quoted.text[quoted.size_bytes - 1] != '"')
		return false;
	*out_inside = (struct raw_value){
		.text = quoted.text + 1,
		.size_bytes = quoted.size_bytes - 2,
		.kind = RAW_TEXT,
	};
	return true;
}

/* The scalar under the finger. RAW_ABSENT for null. */
static bool scalar(const struct walk *walk, struct raw_value *out_value)
{
	if (token(walk) == '"') {
		if (!string_inside(walk, out_value))
			return false;
		out_value->kind = RAW_UNDECODED;
		return true;
	}
	struct raw_value value = token_text(walk);
	switch (value.text[0]) {
	case 't':
	case 'f':
		value.kind = RAW_BOOLEAN;
		break;
	case 'n':
		value.kind = RAW_ABSENT;
		break;
	default:
		if (value.text[0] != '-' && (value.text[0] < '0' || value.text[0] > '9'))
			return false;
		value.kind = RAW_NUMBER;
	}
	*out_value = value;
	return true;
}

/* Steps over the value under the finger. False: the text ends inside it. */
static bool skip_value(struct walk *walk)
{
	size_t depth = 0;
	do {
		const char character = token(walk);
		if (character == '{' || character == '[')
			depth++;
		else if (character == '}' || character == ']')
			depth--;
		else if (character == '\0')
			return false;
		walk->at++;
	} while (depth > 0 && depth < SIZE_MAX / 2);
	return true;
}

static void keep_scalar(struct walk *walk, uint16_t node, const struct key_meaning *meaning,
			const struct raw_value *value)
{
	if (meaning && meaning->slot != RAW_NONE) {
		struct raw_value slot_value = *value;
		slot_value.flat = meaning->flat;
		raw_set(walk->raw, meaning->slot, &slot_value);
	}
	if (meaning && meaning->field != FIELD_NONE)
		raw_add_ecs(walk->raw, meaning->field, value);
	const uint16_t child = meaning ? meaning->child : node;
	if (child == KEY_NODE_INSERTS || (child == KEY_NODE_DATA && node == KEY_NODE_DATA)) {
		if (child == KEY_NODE_DATA)
			walk->pair_text = *value;
		raw_add_insert(walk->raw, value);
	} else if (child == KEY_NODE_DATA) {
		walk->raw->embedded = *value;
		raw_decode(walk->raw, &walk->raw->embedded);
	}
}

static bool walk_scalar(struct walk *walk, uint16_t node, const struct key_meaning *meaning)
{
	const char first = token(walk);
	if (first == ',' || first == ':' || first == '}' || first == ']' || first == '\0')
		return false;
	const bool wanted = !meaning || meaning->slot != RAW_NONE || meaning->field != FIELD_NONE ||
			    meaning->child == KEY_NODE_INSERTS || meaning->child == KEY_NODE_DATA;
	if (wanted) {
		struct raw_value value;
		if (!scalar(walk, &value))
			return false;
		if (value.kind != RAW_ABSENT)
			keep_scalar(walk, node, meaning, &value);
	}
	walk->at++;
	return true;
}

/* "a.b.c" as one key: the path a, b, c. */
static const struct key_meaning *find_dotted(const struct keys *keys, uint16_t node,
					     const char *key, size_t size_bytes)
{
	for (;;) {
		const char *dot = memchr(key, '.', size_bytes);
		if (!dot || node == KEY_NODE_DATA)
			return keys_find(keys, node, key, size_bytes);
		const struct key_meaning *meaning = keys_find(keys, node, key, (size_t)(dot - key));
		if (!meaning || meaning->child == KEY_NODE_NONE)
			return NULL;
		node = meaning->child;
		size_bytes -= (size_t)(dot + 1 - key);
		key = dot + 1;
	}
}

static const struct key_meaning *find_key(const struct keys *keys, uint16_t node,
					  const struct raw_value *key)
{
	const struct key_meaning *meaning = keys_find(keys, node, key->text, key->size_bytes);
	if (meaning || !memchr(key->text, '.', key->size_bytes))
		return meaning;
	return find_dotted(keys, node, key->text, key->size_bytes);
}

/* The value of a key inside EventData that names or attributes another one. */
static bool is_pair_name(const struct raw_value *key)
{
	return key->size_bytes == 5 && memcmp(key->text, "@Name", 5) == 0;
}

/* {"#attributes": {"Name": "Image"}, "#text": "C:\\..."}: the name stands one object lower. */
static bool walk_pair_attributes(struct walk *walk, int depth)
{
	static const struct key_meaning nothing = { KEY_NODE_NONE, RAW_NONE, FIELD_NONE, false };
	for (walk->at++; token(walk) != '}';) {
		struct raw_value key;
		if (token(walk) != '"' || !string_inside(walk, &key))
			return false;
		walk->at++;
		if (token(walk) != ':')
			return false;
		walk->at++;
		if (raw_equals(&key, "Name") && token(walk) == '"' &&
		    !scalar(walk, &walk->pair_name))
			return false;
		if (!walk_value(walk, KEY_NODE_PLAIN, &nothing, depth))
			return false;
		if (token(walk) == ',')
			walk->at++;
		else if (token(walk) != '}')
			return false;
	}
	walk->at++;
	return true;
}

/* After the colon of a key below `node`. */
static bool walk_member(struct walk *walk, uint16_t node, const struct raw_value *key, int depth)
{
	if (node == KEY_NODE_DATA) {
		if (is_pair_name(key) && token(walk) == '"')
			return scalar(walk, &walk->pair_name) && (walk->at++, true);
		if (raw_equals(key, "#attributes") && token(walk) == '{')
			return walk_pair_attributes(walk, depth + 1);
	}
	const struct key_meaning *meaning = find_key(walk->keys, node, key);
	if (!meaning) {
		/* an unknown object inside EventData is a wrapper (UserData has one) */
		if (node == KEY_NODE_DATA && token(walk) == '{')
			return walk_value(walk, node, NULL, depth);
		return skip_value(walk);
	}
	return walk_value(walk, node, meaning, depth);
}

/* A pair's value gets its name; the positional value that it was taken for goes. */
static void finish_pair(struct walk *walk)
{
	if (walk->pair_name.kind == RAW_ABSENT)
		return;
	raw_decode(walk->raw, &walk->pair_name);
	const struct key_meaning *meaning = keys_find(
		walk->keys, KEY_NODE_DATA, walk->pair_name.text, walk->pair_name.size_bytes);
	if (walk->pair_text.kind != RAW_ABSENT) {
		if (meaning && meaning->slot != RAW_NONE)
			raw_set(walk->raw, meaning->slot, &walk->pair_text);
		if (walk->raw->insert_count > 0)
			walk->raw->insert_count--;
	}
	walk->pair_name.kind = RAW_ABSENT;
}

static bool walk_object(struct walk *walk, uint16_t node, int depth)
{
	if (depth == CARRIER_DEPTH_MAX)
		return skip_value(walk);
	if (node == KEY_NODE_DATA) {
		walk->raw->has_data = true;
		walk->pair_name.kind = RAW_ABSENT;
		walk->pair_text.kind = RAW_ABSENT;
	}
	walk->at++;
	if (token(walk) == '}') {
		walk->at++;
		return true;
	}
	for (;;) {
		struct raw_value key;
		if (token(walk) != '"' || !string_inside(walk, &key))
			return false;
		walk->at++;
		if (token(walk) != ':')
			return false;
		walk->at++;
		if (!walk_member(walk, node, &key, depth + 1))
			return false;
		const char next = token(walk);
		walk->at++;
		if (next == '}')
			break;
		if (next != ',')
			return false;
	}
	if (node == KEY_NODE_DATA)
		finish_pair(walk);
	return true;
}

static bool walk_array(struct walk *walk, uint16_t node, const struct key_meaning *meaning,
		       int depth)
{
	if (depth == CARRIER_DEPTH_MAX)
		return skip_value(walk);
	walk->at++;
	if (token(walk) == ']') {
		walk->at++;
		return true;
	}
	for (;;) {
		if (!walk_value(walk, node, meaning, depth + 1))
			return false;
		const char next = token(walk);
		walk->at++;
		if (next == ']')
			return true;
		if (next != ',')
			return false;
	}
}

/* The value under the finger; `meaning` is that of its key below `node`, NULL = a wrapper inside
 * EventData. */
static bool walk_value(struct walk *walk, uint16_t node, const struct key_meaning *meaning,
		       int depth)
{
	const uint16_t child = meaning ? meaning->child : node;
	const char first = token(walk);
	if (first == '{')
		return child == KEY_NODE_NONE ? skip_value(walk) : walk_object(walk, child, depth);
	if (first != '[')
		return walk_scalar(walk, node, meaning);
	/* inside the array of an EventData its scalars are positional */
	return walk_array(walk, child == KEY_NODE_DATA ? child : node, meaning, depth);
}

static bool read_object(struct carrier_json *carrier, const char *json, size_t size_bytes,
			struct raw_event *raw, uint16_t node)
{
	struct walk walk = { .keys = carrier->keys, .json = json, .raw = raw };
	if (!json_parser_index(carrier->parser, json, size_bytes, &walk.index))
		return false;
	return token(&walk) == '{' && walk_object(&walk, node, 0) && walk.at == walk.index.count;
}

bool carrier_json_read(struct carrier_json *carrier, const char *json, size_t size_bytes,
		       struct raw_event *raw)
{
	/* decoded texts never grow; an embedded EventData is read once more out of the store */
	if (!raw_begin(raw, 2 * size_bytes + JSON_PADDING))
		return false;
	return read_object(carrier, json, size_bytes, raw, KEY_NODE_ROOT);
}

bool carrier_json_read_data(struct carrier_json *carrier, const char *json, size_t size_bytes,
			    struct raw_event *raw)
{
	return read_object(carrier, json, size_bytes, raw, KEY_NODE_DATA);
}
