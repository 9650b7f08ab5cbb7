#include "correlator/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "correlator/options.h"
#include "rules/toml.h"

enum { KEY_MAX = 256, ARENA_BYTES_MAX = 16 * 1024 * 1024, SPEAKERS_MAX = 65536 };

enum key_kind { KEY_TEXT, KEY_TEXTS, KEY_DURATION, KEY_SIZE, KEY_COUNT, KEY_TRUTH };

static const char *const kind_names[] = {
	"a text",
	"a list of texts",
	"a duration in quotes, such as \"15m\"",
	"a size in quotes, such as \"64MB\"",
	"a whole number",
	"true or false",
};

struct key {
	const char *name;
	enum key_kind kind;
	size_t offset;
	const char *help;
};

#define AT(field) offsetof(struct config, field)

static const struct key keys[] = {
	{ "inputs", KEY_TEXTS, AT(inputs), "where to listen for host events" },
	{ "outputs", KEY_TEXTS, AT(outputs), "where alerts go" },
	{ "rules", KEY_TEXTS, AT(rules), "rule files and folders; default: those shipped" },
	{ "horizon", KEY_DURATION, AT(horizon_ns),
	  "how long anything may wait for its other half" },
	{ "lateness", KEY_DURATION, AT(lateness_ns), "how late host events usually come, at most" },
	{ "host_name", KEY_TEXT, AT(host_name),
	  "of this sensor, in alerts; default: the machine's" },
	{ "control", KEY_TEXT, AT(control), "Unix socket for stats, hosts and reload" },
	{ "verbose", KEY_TRUTH, AT(verbose), "say more on stderr" },
	{ "tap.source", KEY_TEXT, AT(tap), "file:PATH of a capture" },
	{ "tap.speed", KEY_TEXT, AT(tap_speed), "1x (as captured) or max" },
	{ "spool.path", KEY_TEXT, AT(spool_path), "folder for what was acknowledged" },
	{ "spool.max_size", KEY_SIZE, AT(spool_max_bytes), "the oldest goes beyond it" },
	{ "spool.max_age", KEY_DURATION, AT(spool_max_age_ns), "older events are forgotten" },
	{ "output_spool.path", KEY_TEXT, AT(output_spool_path), "folder for alerts on their way" },
	{ "output_spool.max_size", KEY_SIZE, AT(output_spool_max_bytes), "per output" },
	{ "limits.flows", KEY_COUNT, AT(max_flows), "open flows" },
	{ "limits.hosts", KEY_COUNT, AT(max_hosts), "reporting hosts" },
	{ "limits.processes", KEY_COUNT, AT(max_processes), "live processes of all hosts" },
	{ "limits.connections", KEY_COUNT, AT(max_connections),
	  "connections that are not settled" },
	{ "limits.facts", KEY_COUNT, AT(max_facts), "bound ports and resolved names" },
	{ "limits.sequence_memory", KEY_SIZE, AT(store_bytes), "for pending events of sequences" },
	{ "limits.senders", KEY_COUNT, AT(max_senders), "connections at one time" },
	{ "limits.senders_per_peer", KEY_COUNT, AT(max_senders_per_peer), "of one address" },
	{ "limits.document_size", KEY_SIZE, AT(document_bytes), "one event as sent" },
	{ "limits.backlog", KEY_SIZE, AT(backlog_bytes), "received and not yet handed on" },
};

enum { KEYS_COUNT = sizeof(keys) / sizeof(keys[0]) };

static const char speakers_name[] = "speakers"; /* a table with keys of the operator's own */

struct reader {
	const char *file;
	struct config *config;
	struct complaints *complaints;
	bool good;
};

__attribute__((format(printf, 3, 4))) static void
refuse(struct reader *reader, const struct toml_node *node, const char *format, ...)
{
	char text[COMPLAINT_TEXT_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	complain(complaints_next(reader->complaints), reader->file, node->line, node->column, "%s",
		 text);
	reader->good = false;
}

/* --- values ----------------------------------------------------------------------------------- */

/* A list of texts, or one text alone. */
static bool read_texts(struct reader *reader, const struct toml_node *node,
		       struct config_texts *out_texts)
{
	const struct toml_node *items = node->kind == TOML_ARRAY ? node->items : node;
	const size_t count = node->kind == TOML_ARRAY ? node->count : 1;
	const char **texts = arena_take(reader->config->arena, (count + 1) * sizeof(*texts));
	for (size_t i = 0; i < count; i++) {
		if (items[i].kind != TOML_TEXT || !texts)
			return false;
		texts[i] = items[i].text;
	}
	*out_texts = (struct config_texts){ texts, count };
	return true;
}

static bool set_value(struct reader *reader, const struct key *key, const struct toml_node *node)
{
	void *const place = (char *)reader->config + key->offset;
	switch (key->kind) {
	case KEY_TEXTS:
		return read_texts(reader, node, place);
	case KEY_TEXT:
		if (node->kind == TOML_TEXT)
			*(const char **)place = node->text;
		return node->kind == TOML_TEXT;
	case KEY_DURATION:
		return node->kind == TOML_TEXT && duration_parse(node->text, place);
	case KEY_SIZE:
		return node->kind == TOML_TEXT && size_parse(node->text, place);
	case KEY_COUNT:
		if (node->kind != TOML_INTEGER || node->integer < 1 || node->integer > UINT32_MAX)
			return false;
		*(uint64_t *)place = (uint64_t)node->integer;
		return true;
	case KEY_TRUTH:
		if (node->kind == TOML_BOOLEAN)
			*(bool *)place = node->truth;
		return node->kind == TOML_BOOLEAN;
	}
	return false;
}

/* [speakers] "collector.example" = ["*"] */
static void read_speakers(struct reader *reader, const struct toml_node *table)
{
	struct config *config = reader->config;
	if (table->kind != TOML_TABLE || table->count > SPEAKERS_MAX) {
		refuse(reader, table, "%s: expected a table of sender = [computers]",
		       speakers_name);
		return;
	}
	struct speaker *speakers =
		arena_take(config->arena, (table->count + 1) * sizeof(*speakers));
	for (size_t i = 0; speakers && i < table->count; i++) {
		struct config_texts computers = { 0 };
		if (!read_texts(reader, &table->items[i], &computers))
			refuse(reader, &table->items[i], "%s.%s: expected a list of computers",
			       speakers_name, table->items[i].key);
		speakers[i] = (struct speaker){ .peer = table->items[i].key,
						.computers = computers.items,
						.computer_count = computers.count };
	}
	config->speakers = (struct speakers){ speakers, speakers ? table->count : 0 };
}

/* --- keys ------------------------------------------------------------------------------------- */

static void refuse_unknown(struct reader *reader, const struct toml_node *node, const char *name)
{
	const char *names[KEYS_COUNT + 1];
	for (size_t i = 0; i < KEYS_COUNT; i++)
		names[i] = keys[i].name;
	names[KEYS_COUNT] = speakers_name;
	const char *near = nearest_name(name, names, KEYS_COUNT + 1);
	if (near)
		refuse(reader, node, "unknown key %s; did you mean %s?", name, near);
	else
		refuse(reader, node, "unknown key %s; see docs/configuration.md", name);
}

static bool is_table_name(const char *name)
{
	const size_t size = strlen(name);
	for (size_t i = 0; i < KEYS_COUNT; i++)
		if (strncmp(keys[i].name, name, size) == 0 && keys[i].name[size] == '.')
			return true;
	return false;
}

static void read_key(struct reader *reader, const char *name, const struct toml_node *node)
{
	for (size_t i = 0; i < KEYS_COUNT; i++) {
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (!set_value(reader, &keys[i], node))
			refuse(reader, node, "%s: found %s, expected %s", name,
			       toml_kind_name(node->kind), kind_names[keys[i].kind]);
		return;
	}
	refuse_unknown(reader, node, name);
}

/* At most two levels: a table of keys, or a key. */
static void read_root(struct reader *reader, const struct toml_node *root)
{
	for (size_t i = 0; i < root->count; i++) {
		const struct toml_node *node = &root->items[i];
		if (strcmp(node->key, speakers_name) == 0) {
			read_speakers(reader, node);
			continue;
		}
		if (node->kind != TOML_TABLE || !is_table_name(node->key)) {
			read_key(reader, node->key, node);
			continue;
		}
		for (size_t j = 0; j < node->count; j++) {
			char name[KEY_MAX];
			snprintf(name, sizeof(name), "%s.%s", node->key, node->items[j].key);
			read_key(reader, name, &node->items[j]);
		}
	}
}

static void read_text(struct reader *reader, const char *text, size_t size_bytes)
{
	struct complaint *complaint = complaints_next(reader->complaints);
	const struct toml_node *root =
		toml_parse(reader->file, text, size_bytes, reader->config->arena, complaint);
	if (!root) {
		reader->good = false;
		return;
	}
	reader->complaints->count--; /* it was not needed */
	read_root(reader, root);
}

/* --- files and settings ----------------------------------------------------------------------- */

static void read_file(struct reader *reader)
{
	FILE *file = fopen(reader->file, "r");
	char *text = malloc(TOML_SIZE_MAX + 1);
	const size_t size = file && text ? fread(text, 1, TOML_SIZE_MAX + 1, file) : 0;
	if (!file || !text || ferror(file)) {
		complain(complaints_next(reader->complaints), reader->file, 0, 0, "%s",
			 strerror(errno));
		reader->good = false;
	} else {
		read_text(reader, text, size);
	}
	if (file)
		fclose(file);
	free(text);
}

/* "spool.path=/x": what is no TOML value is a text. */
static void read_setting(struct reader *reader, const char *setting)
{
	const char *equals = strchr(setting, '=');
	char text[4096];
	if (!equals) {
		complain(complaints_next(reader->complaints), NULL, 0, 0,
			 "--set %.200s: expected KEY=VALUE", setting);
		reader->good = false;
		return;
	}
	struct complaint ignored;
	struct arena *trial = arena_open(ARENA_BYTES_MAX);
	if (trial && !toml_parse("", setting, strlen(setting), trial, &ignored))
		snprintf(text, sizeof(text), "%.*s = '''%s'''", (int)(equals - setting), setting,
			 equals + 1);
	else
		snprintf(text, sizeof(text), "%s", setting);
	arena_close(trial);
	reader->file = "--set";
	read_text(reader, text, strlen(text));
}

bool config_read(const char *path, const char *const *settings, size_t setting_count,
		 struct config *out_config, struct complaints *complaints)
{
	*out_config = (struct config){
		.arena = arena_open(ARENA_BYTES_MAX),
		.tap_speed = "1x",
		.horizon_ns = UINT64_C(900) * 1000000000,
		.lateness_ns = UINT64_C(60) * 1000000000,
	};
	struct reader reader = { path, out_config, complaints, out_config->arena != NULL };
	if (!reader.good)
		return complain(complaints_next(complaints), path, 0, 0, "no memory");
	if (path)
		read_file(&reader);
	for (size_t i = 0; i < setting_count; i++)
		read_setting(&reader, settings[i]);
	return reader.good;
}

void config_release(struct config *config)
{
	arena_close(config->arena);
	config->arena = NULL;
}

void config_print_keys(FILE *stream)
{
	for (size_t i = 0; i < KEYS_COUNT; i++)
		fprintf(stream, "  %-24s %s (%s)\n", keys[i].name, keys[i].help,
			kind_names[keys[i].kind]);
	fprintf(stream, "  %-24s which sender may speak for which computers (a table)\n",
		speakers_name);
}
