/* Reads event XML (the Windows event schema, as WEF, .evtx files and others carry it) with expat.
 *
 * Elements walk the same tree of wanted keys as JSON keys do; attributes are keys below their
 * element. Document type declarations are refused, and with them every entity but the five of XML.
 */
#include <errno.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "collector/input/carrier.h"

struct level {
	uint16_t node;			   /* below which the element's children are looked up */
	const struct key_meaning *meaning; /* of the element itself */
	bool is_value;			   /* a Data element without a name */
};

struct carrier_xml {
	const struct keys *keys;
	XML_Parser parser;
	struct raw_event *raw;
	struct level levels[CARRIER_DEPTH_MAX];
	int depth;	     /* of the open element; 0 = none */
	int skipped_depth;   /* elements open inside one that nobody wants */
	uint16_t named_slot; /* of <Data Name="...">, RAW_NONE = none */
	char *text;	     /* of the open element, in the raw event's store */
	size_t text_bytes;
	size_t value_count; /* kept so far */
	bool refused;	    /* a document type declaration, too deep, or no room */
	char *clean;	    /* a copy without characters that XML forbids */
	size_t clean_bytes;
};

static const char *local_name(const char *name)
{
	const char *colon = strchr(name, ':');
	return colon ? colon + 1 : name;
}

static void refuse(struct carrier_xml *carrier)
{
	carrier->refused = true;
	XML_StopParser(carrier->parser, XML_FALSE);
}

static void keep(struct carrier_xml *carrier, const struct key_meaning *meaning,
		 const struct raw_value *value)
{
	if (meaning->slot != RAW_NONE) {
		struct raw_value slot_value = *value;
		slot_value.flat = meaning->flat;
		raw_set(carrier->raw, meaning->slot, &slot_value);
		carrier->value_count++;
	}
	if (meaning->field != FIELD_NONE)
		raw_add_ecs(carrier->raw, meaning->field, value);
}

/* A copy in the raw event's store, whose room the caller of carrier_xml_read has seen to. */
static bool store(struct carrier_xml *carrier, const char *text, size_t size_bytes,
		  struct raw_value *out_value)
{
	char *room = raw_store(carrier->raw, size_bytes);
	if (!room)
		return false;
	memcpy(room, text, size_bytes);
	*out_value = (struct raw_value){
		.text = room,
		.size_bytes = (uint32_t)size_bytes,
		.kind = RAW_TEXT,
	};
	return true;
}

/* <Data Name="Image">: the name says which value the element's text is. */
static bool name_data(struct carrier_xml *carrier, struct level *level, const char **attributes)
{
	level->is_value = true;
	for (size_t i = 0; attributes[i]; i += 2) {
		if (strcmp(local_name(attributes[i]), "Name") != 0)
			continue;
		const struct key_meaning *meaning = keys_find(
			carrier->keys, KEY_NODE_DATA, attributes[i + 1], strlen(attributes[i + 1]));
		carrier->named_slot = meaning ? meaning->slot : RAW_NONE;
		level->is_value = false;
		return meaning && meaning->slot != RAW_NONE;
	}
	return true;
}

static void keep_attributes(struct carrier_xml *carrier, uint16_t node, const char **attributes)
{
	for (size_t i = 0; attributes[i]; i += 2) {
		const char *name = local_name(attributes[i]);
		const struct key_meaning *meaning =
			keys_find(carrier->keys, node, name, strlen(name));
		struct raw_value value;
		if (!meaning || meaning->child != KEY_NODE_NONE)
			continue;
		if (!store(carrier, attributes[i + 1], strlen(attributes[i + 1]), &value)) {
			refuse(carrier);
			return;
		}
		keep(carrier, meaning, &value);
	}
}

static void XMLCALL on_start(void *context, const char *name, const char **attributes)
{
	static const struct key_meaning wrapper = { KEY_NODE_DATA, RAW_NONE, FIELD_NONE, false };
	struct carrier_xml *carrier = context;
	const uint16_t node =
		carrier->depth ? carrier->levels[carrier->depth - 1].node : KEY_NODE_ROOT;
	if (carrier->refused)
		return;
	if (carrier->skipped_depth > 0) {
		carrier->skipped_depth++;
		return;
	}
	if (carrier->depth == CARRIER_DEPTH_MAX) {
		refuse(carrier);
		return;
	}
	name = local_name(name);
	const struct key_meaning *meaning = keys_find(carrier->keys, node, name, strlen(name));
	if (!meaning && node == KEY_NODE_DATA)
		meaning = &wrapper; /* UserData holds one more element around its values */
	struct level *level = &carrier->levels[carrier->depth];
	*level = (struct level){ .node = meaning ? meaning->child : KEY_NODE_NONE,
				 .meaning = meaning };
	if (!meaning || (node == KEY_NODE_DATA && strcmp(name, "Data") == 0 &&
			 !name_data(carrier, level, attributes))) {
		carrier->skipped_depth = 1;
		return;
	}
	if (meaning->child == KEY_NODE_DATA)
		carrier->raw->has_data = true;
	else if (meaning->child != KEY_NODE_NONE)
		keep_attributes(carrier, meaning->child, attributes);
	carrier->depth++;
	carrier->text = NULL;
	carrier->text_bytes = 0;
}

static void XMLCALL on_text(void *context, const char *text, int size)
{
	struct carrier_xml *carrier = context;
	if (carrier->refused || carrier->skipped_depth > 0 || carrier->depth == 0 || size <= 0)
		return;
	char *room = raw_store(carrier->raw, (size_t)size);
	if (!room) {
		refuse(carrier);
		return;
	}
	memcpy(room, text, (size_t)size);
	if (!carrier->text)
		carrier->text = room;
	carrier->text_bytes += (size_t)size;
}

static void XMLCALL on_end(void *context, const char *name)
{
	struct carrier_xml *carrier = context;
	(void)name;
	if (carrier->refused)
		return;
	if (carrier->skipped_depth > 0) {
		carrier->skipped_depth--;
		return;
	}
	const struct level *level = &carrier->levels[--carrier->depth];
	const struct raw_value value = {
		.text = carrier->text ? carrier->text : "",
		.size_bytes = (uint32_t)carrier->text_bytes,
		.kind = RAW_TEXT,
	};
	if (level->is_value) {
		raw_add_insert(carrier->raw, &value);
	} else if (carrier->named_slot != RAW_NONE) {
		raw_set(carrier->raw, carrier->named_slot, &value);
		carrier->value_count++;
	} else if (carrier->text) {
		keep(carrier, level->meaning, &value);
	}
	carrier->named_slot = RAW_NONE;
	carrier->text = NULL;
	carrier->text_bytes = 0;
}

static void XMLCALL on_doctype(void *context, const char *name, const char *system_id,
			       const char *public_id, int has_internal_subset)
{
	(void)name;
	(void)system_id;
	(void)public_id;
	(void)has_internal_subset;
	refuse(context);
}

struct carrier_xml *carrier_xml_open(const struct keys *keys)
{
	struct carrier_xml *carrier = calloc(1, sizeof(*carrier));
	if (!carrier)
		return NULL;
	carrier->keys = keys;
	carrier->parser = XML_ParserCreate("UTF-8");
	if (carrier->parser)
		return carrier;
	carrier_xml_close(carrier);
	errno = ENOMEM;
	return NULL;
}

void carrier_xml_close(struct carrier_xml *carrier)
{
	if (!carrier)
		return;
	if (carrier->parser)
		XML_ParserFree(carrier->parser);
	free(carrier->clean);
	free(carrier);
}

static bool parse(struct carrier_xml *carrier, const char *xml, size_t size_bytes)
{
	XML_ParserReset(carrier->parser, "UTF-8");
	XML_SetUserData(carrier->parser, carrier);
	XML_SetElementHandler(carrier->parser, on_start, on_end);
	XML_SetCharacterDataHandler(carrier->parser, on_text);
	XML_SetStartDoctypeDeclHandler(carrier->parser, on_doctype);
	carrier->depth = 0;
	carrier->skipped_depth = 0;
	carrier->named_slot = RAW_NONE;
	carrier->text = NULL;
	carrier->text_bytes = 0;
	carrier->value_count = 0;
	carrier->refused = false;
	return XML_Parse(carrier->parser, xml, (int)size_bytes, 1) == XML_STATUS_OK;
}

/* The length of the well-formed UTF-8 character at `at` that XML allows, or 0. */
static size_t allowed_character(const unsigned char *at, size_t left)
{
	if (at[0] < 0x20)
		return at[0] == '\t' || at[0] == '\n' || at[0] == '\r';
	if (at[0] < 0x80)
		return 1;
	const size_t size = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	if (at[0] < 0xc2 || at[0] > 0xf4 || size > left)
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90) ||
	    (at[0] == 0xf4 && at[1] > 0x8f) || (at[0] == 0xed && at[1] > 0x9f))
		return 0;
	const bool not_a_character = at[0] == 0xef && at[1] == 0xbf && at[2] >= 0xbe;
	return not_a_character ? 0 : size;
}

/* The length of a reference like "&#x5;" to a character that XML forbids, or 0. */
static size_t forbidden_reference(const char *at, size_t left)
{
	char *end;
	char digits[12];
	if (left < 4 || at[0] != '&' || at[1] != '#')
		return 0;
	const bool hexadecimal = at[2] == 'x';
	const size_t from = hexadecimal ? 3 : 2;
	const size_t size = left - from < sizeof(digits) - 1 ? left - from : sizeof(digits) - 1;
	memcpy(digits, at + from, size);
	digits[size] = '\0';
	const unsigned long code = strtoul(digits, &end, hexadecimal ? 16 : 10);
	if (end == digits || *end != ';')
		return 0;
	const bool allowed = code == '\t' || code == '\n' || code == '\r' ||
			     (code >= 0x20 && code < 0xd800) || (code >= 0xe000 && code < 0xfffe) ||
			     (code >= 0x10000 && code <= 0x10ffff);
	return allowed ? 0 : from + (size_t)(end - digits) + 1;
}

/* Real events hold characters that XML forbids: each byte of them becomes '?'. */
static bool clean(struct carrier_xml *carrier, const char *xml, size_t size_bytes)
{
	if (size_bytes > carrier->clean_bytes) {
		char *larger = realloc(carrier->clean, size_bytes);
		if (!larger)
			return false;
		carrier->clean = larger;
		carrier->clean_bytes = size_bytes;
	}
	for (size_t i = 0; i < size_bytes;) {
		const size_t left = size_bytes - i;
		const size_t reference = forbidden_reference(xml + i, left);
		const size_t good =
			reference ? 0 : allowed_character((const void *)(xml + i), left);
		const size_t size = good ? good : reference ? reference : 1;
		if (good)
			memcpy(carrier->clean + i, xml + i, size);
		else
			memset(carrier->clean + i, '?', size);
		i += size;
	}
	return true;
}

bool carrier_xml_read(struct carrier_xml *carrier, const char *xml, size_t size_bytes,
		      struct raw_event *raw)
{
	if (size_bytes == 0 || size_bytes > CARRIER_XML_MAX)
		return false;
	const size_t store_used_bytes = raw->store_used_bytes;
	carrier->raw = raw;
	if (parse(carrier, xml, size_bytes))
		return true;
	if (carrier->refused || !clean(carrier, xml, size_bytes))
		return false;
	/* the same values will be found again, in the same places of the store */
	raw->store_used_bytes = store_used_bytes;
	raw->ecs_count = 0;
	raw->insert_count = 0;
	if (parse(carrier, carrier->clean, size_bytes))
		return true;
	return !carrier->refused && carrier->value_count > 0; /* cut: what was whole is kept */
}
