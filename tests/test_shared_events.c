/* Real Windows logs: every event is understood, and the network events are those of the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "collector/input/event_file.h"
#include "tests/support_shared.h"

enum { ROWS_MAX = 4096, ROW_MAX = 512 };

struct rows {
	size_t count;
	char text[ROWS_MAX][ROW_MAX];
};

static struct rows found;
static struct rows expected;

struct fixture {
	struct counters counters;
	struct fields *fields;
	struct normaliser *normaliser;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	fixture.fields = fields_open();
	for (uint16_t i = 0; i < fields_count(fixture.fields); i++)
		if (i != FIELD_winlog_activity_id) /* what made the NDJSON left it out */
			fields_want(fixture.fields, i);
	fixture.normaliser = normaliser_open(fixture.fields, &fixture.counters);
	*state = &fixture;
	return fixture.normaliser ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	normaliser_close(fixture->normaliser);
	fields_close(fixture->fields);
	return 0;
}

static int compare_rows(const void *left, const void *right)
{
	return strcmp(left, right);
}

static const char *text_or_empty(const struct event *event, uint16_t field)
{
	const struct event_text *text = event_text(event, field);
	return text ? text->bytes : "";
}

/* The row of a connection in the columns that the truth has, too. */
static void add_connection(const struct event *event)
{
	char source[IP_ADDRESS_TEXT_MAX] = "";
	char destination[IP_ADDRESS_TEXT_MAX] = "";
	char host[64];
	char guid[64] = "";
	int64_t source_port = -1;
	int64_t destination_port = -1;
	int64_t pid;
	char pid_text[24] = "";
	const char *transport = text_or_empty(event, FIELD_network_transport);
	assert_true(found.count < ROWS_MAX);
	if (event_address(event, FIELD_source_ip))
		ip_address_format(event_address(event, FIELD_source_ip), source);
	if (event_address(event, FIELD_destination_ip))
		ip_address_format(event_address(event, FIELD_destination_ip), destination);
	event_integer(event, FIELD_source_port, &source_port);
	event_integer(event, FIELD_destination_port, &destination_port);
	if (event_integer(event, FIELD_process_pid, &pid)) /* some NXLog events lost it */
		snprintf(pid_text, sizeof(pid_text), "%lld", (long long)pid);
	snprintf(host, sizeof(host), "%s", text_or_empty(event, FIELD_host_name));
	host[strcspn(host, ".")] = '\0';
	const char *entity_id = text_or_empty(event, FIELD_process_entity_id);
	if (*entity_id == '{')
		snprintf(guid, sizeof(guid), "%.36s", entity_id + 1);
	for (char *at = guid; *at; at++)
		if (*at >= 'A' && *at <= 'F')
			*at = (char)(*at | 0x20);
	snprintf(found.text[found.count++], ROW_MAX, "%s|%s|%s|%s|%s|%lld|%s|%lld|%s|%s|%s", host,
		 event->datasets & 1U << DATASET_sysmon ? "Sysmon" : "Security",
		 strcmp(transport, "ipv6-icmp") == 0 ? "icmp6" : transport,
		 strcmp(text_or_empty(event, FIELD_network_direction), "egress") == 0 ? "out"
										      : "in",
		 source, (long long)source_port, destination, (long long)destination_port, pid_text,
		 guid, text_or_empty(event, FIELD_process_executable));
}

static void read_events(struct fixture *fixture, const char *path)
{
	struct complaint complaint;
	struct event_file *file;
	const struct event *event;
	if (!event_file_open(path, fixture->normaliser, &complaint, &file))
		fail_msg("%s: %s", path, complaint.text);
	while ((event = event_file_next(file)) != NULL) {
		if (event->role == EVENT_CONNECTION)
			add_connection(event);
		/* every event of these logs has a time, and all but the bare ones a host */
		if (event->time_ns == 0 || !event_text(event, FIELD_host_id))
			fail_msg("%s: an event without time or host", path);
	}
	if (event_file_fault(file))
		fail_msg("%s: %s", path, event_file_fault(file)->text);
	event_file_close(file);
}

/* The event files of a folder whose names match. */
static void read_folder(struct fixture *fixture, const char *folder, const char *names)
{
	glob_t files;
	char pattern[4096];
	snprintf(pattern, sizeof(pattern), "%s/%s", folder, names);
	if (glob(pattern, 0, NULL, &files) == 0)
		for (size_t i = 0; i < files.gl_pathc; i++)
			read_events(fixture, files.gl_pathv[i]);
	globfree(&files);
}

static void read_truth(const char *folder)
{
	char path[4096];
	char line[4096];
	snprintf(path, sizeof(path), "%s/netevents.tsv", folder);
	FILE *stream = fopen(path, "r");
	assert_non_null(stream);
	const char *header = fgets(line, sizeof(line), stream);
	assert_non_null(header);
	while (fgets(line, sizeof(line), stream)) {
		char *columns[24] = { 0 };
		char *rest = line;
		for (size_t i = 0; i < 24 && rest; i++)
			columns[i] = strsep(&rest, "\t");
		assert_true(expected.count < ROWS_MAX);
		snprintf(expected.text[expected.count++], ROW_MAX,
			 "%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s", columns[2], columns[3], columns[5],
			 columns[6], columns[7], columns[8], columns[9], columns[10], columns[12],
			 columns[13], columns[14]);
	}
	fclose(stream);
}

static size_t compare_folder(const char *folder)
{
	size_t different = found.count != expected.count;
	qsort(found.text, found.count, ROW_MAX, compare_rows);
	qsort(expected.text, expected.count, ROW_MAX, compare_rows);
	if (different)
		print_error("%s: %zu network events, expected %zu\n", folder, found.count,
			    expected.count);
	for (size_t i = 0; i < found.count && i < expected.count; i++)
		if (strcmp(found.text[i], expected.text[i]) != 0 && different++ < 3)
			print_error("found    %s\nexpected %s\n", found.text[i], expected.text[i]);
	return different;
}

static void network_events_are_those_of_the_truth(void **state)
{
	struct fixture *fixture = *state;
	const char *root = shared_path("data");
	glob_t folders;
	char pattern[4096];
	size_t different = 0;
	if (!root)
		skip();
	snprintf(pattern, sizeof(pattern), "%s/*/*/netevents.tsv", root);
	assert_int_equal(glob(pattern, 0, NULL, &folders), 0);
	for (size_t i = 0; i < folders.gl_pathc; i++) {
		char *folder = folders.gl_pathv[i];
		*strrchr(folder, '/') = '\0';
		found.count = 0;
		expected.count = 0;
		read_folder(fixture, folder, "*json.gz");
		read_truth(folder);
		different += compare_folder(folder);
	}
	globfree(&folders);
	assert_int_equal(different, 0);
	assert_int_equal(counter_read(&fixture->counters, COUNTER_events_bad_json), 0);
	assert_int_equal(counter_read(&fixture->counters, COUNTER_events_unmapped), 0);
	assert_int_equal(counter_read(&fixture->counters, COUNTER_events_no_time), 0);
	assert_int_equal(counter_read(&fixture->counters, COUNTER_events_too_large), 0);
}

/* All of an event but what the two carriers round differently: the last digits of times,
 * and the case of true and false. */
static bool same_event(const struct event *left, const struct event *right)
{
	const int64_t rounding_ns = 10000;
	if (left->value_count != right->value_count || left->role != right->role ||
	    left->identity != right->identity || left->tiebreaker != right->tiebreaker ||
	    llabs((int64_t)(left->time_ns - right->time_ns)) > rounding_ns)
		return false;
	for (uint16_t i = 0; i < left->value_count; i++) {
		const struct event_value *one = &left->values[i];
		const struct event_value *other = &right->values[i];
		if (one->field != other->field || one->type != other->type)
			return false;
		if (one->type == VALUE_TEXT &&
		    strcasecmp(((const struct event_text *)event_at(left, one))->bytes,
			       ((const struct event_text *)event_at(right, other))->bytes) != 0) {
			print_error("%s against %s\n",
				    ((const struct event_text *)event_at(left, one))->bytes,
				    ((const struct event_text *)event_at(right, other))->bytes);
			return false;
		}
	}
	return true;
}

static void evtx_and_ndjson_of_one_log_give_the_same_events(void **state)
{
	struct fixture *fixture = *state;
	struct normaliser *second = normaliser_open(fixture->fields, &fixture->counters);
	const char *root = shared_path("data/hostonly");
	glob_t files;
	char pattern[4096];
	if (!root)
		skip();
	snprintf(pattern, sizeof(pattern), "%s/*/*.evtx", root);
	assert_int_equal(glob(pattern, 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		struct complaint complaint;
		struct event_file *evtx;
		struct event_file *json;
		const struct event *event;
		size_t count = 0;
		snprintf(pattern, sizeof(pattern), "%s.ndjson.gz", files.gl_pathv[i]);
		assert_true(
			event_file_open(files.gl_pathv[i], fixture->normaliser, &complaint, &evtx));
		assert_true(event_file_open(pattern, second, &complaint, &json));
		while ((event = event_file_next(evtx)) != NULL) {
			const struct event *other = event_file_next(json);
			count++;
			if (!other || !same_event(event, other))
				fail_msg("%s: event %zu", files.gl_pathv[i], count);
		}
		assert_null(event_file_next(json));
		assert_true(count > 0);
		event_file_close(evtx);
		event_file_close(json);
	}
	globfree(&files);
	normaliser_close(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(network_events_are_those_of_the_truth, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(evtx_and_ndjson_of_one_log_give_the_same_events,
						set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
