/* The rule that procspan was born for, with every image name in turn, over real logs with and
 * without packets: one alert for each process that the truth names, and no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "collector/base/hard.h"
#include "tests/support_pairs.h"
#include "tests/support_shared.h"

enum { NAMES_MAX = 64, ALERTS_MAX = 256, DIRECTORIES_MAX = 128, TEXT_ROOM = 128 };

struct found_alert {
	char rule[TEXT_ROOM];
	char entity_id[TEXT_ROOM];
	char destination[IP_ADDRESS_TEXT_MAX];
	int64_t destination_port;
	char id[ALERT_ID_TEXT_MAX];
	enum alert_kind kind;
};

struct found_alerts {
	size_t count;
	struct found_alert items[ALERTS_MAX];
};

static void keep_alert(void *context, const struct alert *alert)
{
	struct found_alerts *alerts = context;
	assert_true(alerts->count < ALERTS_MAX);
	struct found_alert *found = &alerts->items[alerts->count++];
	memset(found, 0, sizeof(*found));
	const struct event *connection = alert->events[alert->event_count - 1];
	const struct event_text *entity_id = event_text(connection, FIELD_process_entity_id);
	const struct ip_address *destination = event_address(connection, FIELD_destination_ip);
	assert_non_null(entity_id);
	assert_non_null(destination);
	snprintf(found->rule, sizeof(found->rule), "%s", alert->rule->name);
	snprintf(found->entity_id, sizeof(found->entity_id), "%s", entity_id->bytes);
	ip_address_format(destination, found->destination);
	event_integer(connection, FIELD_destination_port, &found->destination_port);
	memcpy(found->id, alert->id, sizeof(found->id));
	found->kind = alert->kind;
}

static void add_rule(struct ruleset_builder *builder, const char *name)
{
	static struct complaints complaints;
	char text[2048];
	const int size = snprintf(
		text, sizeof(text),
		"[metadata]\nmaturity = \"production\"\n[rule]\nauthor = [\"procspan\"]\n"
		"description = \"test\"\nindex = [\"winlogbeat-*\", \"logs-endpoint.events.*\"]\n"
		"language = \"eql\"\nlicense = \"Apache-2.0\"\nname = \"%s\"\nrisk_score = 21\n"
		"rule_id = \"00000000-0000-4000-8000-%012x\"\nseverity = \"low\"\n"
		"type = \"eql\"\nversion = 1\nquery = '''\nsequence by process.entity_id\n"
		"  [process where process.name : \"%s\" and event.type == \"start\"]\n"
		"  [network where process.name : \"%s\" and not cidrmatch(destination.ip, "
		"\"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\")]\n'''\n",
		name, (unsigned)strlen(name), name, name);
	complaints.count = 0;
	if (!ruleset_add_text(builder, "test.toml", text, (size_t)size, &complaints)) {
		complaint_print(&complaints.items[0], stdout);
		fail();
	}
}

static bool is_expected(const struct found_alert *found, const char *name, const json_t *expected)
{
	const char *guid = json_string_value(json_object_get(expected, "guid"));
	const char *destination = json_string_value(json_object_get(expected, "dst"));
	char folded[TEXT_ROOM];
	snprintf(folded, sizeof(folded), "{%s}", guid);
	return strcmp(found->rule, name) == 0 && strcasecmp(found->entity_id, folded) == 0 &&
	       strcmp(found->destination, destination) == 0 &&
	       found->destination_port == json_integer_value(json_object_get(expected, "dport"));
}

/* Returns how many are missing or too many. */
static unsigned compare(const char *directory, json_t *by_name, const struct found_alerts *alerts)
{
	unsigned bad = 0;
	size_t expected_count = 0;
	const char *name;
	json_t *rule;
	json_object_foreach(by_name, name, rule)
	{
		size_t i;
		json_t *expected;
		json_array_foreach(json_object_get(rule, "expected_alerts"), i, expected)
		{
			bool found = false;
			for (size_t j = 0; j < alerts->count && !found; j++)
				found = is_expected(&alerts->items[j], name, expected);
			expected_count++;
			bad += !found;
			if (!found)
				printf("  %s: no alert for %s %s -> %s\n", directory, name,
				       json_string_value(json_object_get(expected, "guid")),
				       json_string_value(json_object_get(expected, "dst")));
		}
	}
	if (alerts->count != expected_count || bad) {
		bad++;
		for (size_t j = 0; j < alerts->count; j++)
			printf("  %s: %s %s -> %s:%lld\n", directory, alerts->items[j].rule,
			       alerts->items[j].entity_id, alerts->items[j].destination,
			       (long long)alerts->items[j].destination_port);
	}
	return bad;
}

static int compare_alerts(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct found_alert));
}

static unsigned run_directory(const char *directory, const char *path)
{
	char file[4700];
	snprintf(file, sizeof(file), "%s/expected.json", path);
	json_t *expected = json_load_file(file, 0, NULL);
	json_t *by_name = json_object_get(expected, "rule_by_name");
	if (json_object_size(by_name) == 0) {
		json_decref(expected);
		return 0;
	}
	struct fields *fields = fields_open();
	struct ruleset_builder *builder = ruleset_builder_open(fields);
	const char *name;
	json_t *rule;
	json_object_foreach(by_name, name, rule) add_rule(builder, name);
	struct ruleset *ruleset = ruleset_build(builder);
	assert_non_null(ruleset);
	correlator_want_fields(fields);
	struct pair_facts facts;
	assert_true(pair_load(path, fields, &facts));

	static struct found_alerts straight;
	static struct found_alerts shuffled;
	enum { SEEDS = HARD(3, 1) };
	unsigned bad = 0;
	for (uint64_t seed = 0; seed <= SEEDS; seed++) {
		struct found_alerts *alerts = seed ? &shuffled : &straight;
		alerts->count = 0;
		const struct pair_options options = {
			.ruleset = ruleset,
			.shuffle_seed = seed,
			.alert = keep_alert,
			.alert_context = alerts,
		};
		struct owners owners;
		pair_run(&facts, &options, &owners);
		owners_close(&owners);
		if (alerts->count)
			qsort(alerts->items, alerts->count, sizeof(alerts->items[0]),
			      compare_alerts);
		if (seed == 0)
			bad += compare(directory, by_name, alerts);
		else if (alerts->count != straight.count ||
			 memcmp(alerts->items, straight.items,
				alerts->count * sizeof(alerts->items[0])) != 0)
			bad++;
	}
	printf("%-70s %zu alerts%s\n", directory, straight.count, bad ? "  BAD" : "");
	pair_close(&facts);
	ruleset_close(ruleset);
	fields_close(fields);
	json_decref(expected);
	return bad;
}

static unsigned run_all(const char *folder)
{
	static char names[DIRECTORIES_MAX][256];
	char root[2048];
	const char *path = shared_path(folder);
	DIR *stream = path ? opendir(path) : NULL;
	if (!stream) {
		skip();
		return 0;
	}
	snprintf(root, sizeof(root), "%.2000s", path);
	size_t count = 0;
	for (struct dirent *entry; (entry = readdir(stream)) && count < DIRECTORIES_MAX;)
		if (entry->d_name[0] != '.')
			snprintf(names[count++], sizeof(names[0]), "%s", entry->d_name);
	closedir(stream);
	qsort(names, count, sizeof(names[0]), (int (*)(const void *, const void *))strcmp);
	unsigned bad = 0;
	for (size_t i = 0; i < count; i++) {
		char directory[4400];
		snprintf(directory, sizeof(directory), "%s/%.255s", root, names[i]);
		bad += run_directory(names[i], directory);
	}
	return bad;
}

static void connections_on_the_wire_raise_one_alert_per_process(void **state)
{
	(void)state;
	assert_int_equal(run_all("data/pairs"), 0);
}

static void connections_that_only_hosts_report_raise_the_same_alerts(void **state)
{
	(void)state;
	assert_int_equal(run_all("data/hostonly"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_on_the_wire_raise_one_alert_per_process),
		cmocka_unit_test(connections_that_only_hosts_report_raise_the_same_alerts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
