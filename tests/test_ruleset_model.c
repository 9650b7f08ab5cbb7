/* Random rules and events: the compiled ruleset agrees with every query asked alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hard.h"
#include "rules/ruleset.h"
#include "tests/model_ruleset.h"
#include "tests/support_random.h"

enum {
	QUERY_MAX = 4096,
	RULES = 60,
	EVENTS = HARD(400, 100),
	ROUNDS = HARD(40, 6),
	DEPTH = 3,
};

/* Few words, so that rules and events meet. */
static const char *const categories[] = { "process", "network", "file", "Process" };
static const char *const fields_of_text[] = {
	"process.name", "process.parent.name", "process.args", "event.type", "event.action",
	"host.os.type", "event.category",      "event.code",   "x.unknown"
};
static const char *const words[] = { "cmd.exe",
				     "CMD.EXE",
				     "powershell.exe",
				     "start",
				     "Start",
				     "windows",
				     "a",
				     "",
				     "process",
				     "rshell.exe",
				     "C:/powershell.exe",
				     "\xc3\xa9:/PowerShell.exe" };
static const char *const wild_words[] = {
	"*.exe",
	"c*",
	"?md.exe",
	"*",
	"cmd.exe",
	"*o*",
	"st?rt",
	"*RShell.exe",
	"?:/powershell.exe",
	"p*ershell.exe",
	"*shell*",
	"*start",
};
static const char *const networks[] = { "10.0.0.0/8", "10.1.0.0/16", "::/0", "192.168.1.1/32" };
static const char *const addresses[] = { "10.1.2.3", "10.2.0.1", "192.168.1.1", "2001:db8::1" };

#define PICK(random, array)                                                                        \
	((array)[support_random_below((random), sizeof(array) / sizeof((array)[0]))])

struct writer {
	struct support_random *random;
	char *out;
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *writer, const char *format,
						      ...)
{
	va_list arguments;
	va_start(arguments, format);
	const int size =
		vsnprintf(writer->out + writer->used, QUERY_MAX - writer->used, format, arguments);
	va_end(arguments);
	writer->used += (size_t)size;
	assert_true(writer->used < QUERY_MAX);
}

static void put_list(struct writer *writer, const char *const *texts, uint32_t count)
{
	const uint32_t items = 1 + support_random_below(writer->random, 4);
	put(writer, "(");
	for (uint32_t i = 0; i < items; i++)
		put(writer, "%s\"%s\"", i ? ", " : "",
		    texts[support_random_below(writer->random, count)]);
	put(writer, ")");
}

static void put_test(struct writer *writer)
{
	struct support_random *random = writer->random;
	const char *field = PICK(random, fields_of_text);
	const char *mark = support_random_below(random, 4) ? "" : "?";
	switch (support_random_below(random, 10)) {
	case 0:
		put(writer, "%s%s == \"%s\"", mark, field, PICK(random, words));
		break;
	case 1:
		put(writer, "%s%s != \"%s\"", mark, field, PICK(random, words));
		break;
	case 2:
	case 3:
		put(writer, "%s%s : ", mark, field);
		put_list(writer, wild_words, sizeof(wild_words) / sizeof(wild_words[0]));
		break;
	case 4:
		put(writer, "%s%s %s ", mark, field,
		    support_random_below(random, 2) ? "in" : "in~");
		put_list(writer, words, sizeof(words) / sizeof(words[0]));
		break;
	case 5:
		put(writer, "%s%s like ", mark, field);
		put_list(writer, wild_words, sizeof(wild_words) / sizeof(wild_words[0]));
		break;
	case 6:
		put(writer, "%s%s %s null", mark, field,
		    support_random_below(random, 2) ? "==" : "!=");
		break;
	case 7:
		put(writer, "cidrMatch(destination.ip, \"%s\")", PICK(random, networks));
		break;
	case 8:
		put(writer, "destination.port %s %u",
		    support_random_below(random, 2) ? "==" : ">=", support_random_below(random, 3));
		break;
	default:
		put(writer, "startsWith(%s, \"%s\")", field, PICK(random, words));
		break;
	}
}

static void put_condition(struct writer *writer, int depth)
{
	const uint32_t choice = depth ? support_random_below(writer->random, 6) : 0;
	if (choice <= 1) {
		put_test(writer);
		return;
	}
	if (choice == 2) {
		put(writer, "not (");
		put_condition(writer, depth - 1);
		put(writer, ")");
		return;
	}
	const uint32_t operands = 2 + support_random_below(writer->random, 2);
	put(writer, "(");
	for (uint32_t i = 0; i < operands; i++) {
		put(writer, "%s", i == 0 ? "" : choice == 3 ? " or " : " and ");
		put_condition(writer, depth - 1);
	}
	put(writer, ")");
}

static void make_query(struct support_random *random, char out[QUERY_MAX])
{
	struct writer writer = { .random = random, .out = out };
	if (support_random_below(random, 5))
		put(&writer, "%s where ", PICK(random, categories));
	else
		put(&writer, "any where ");
	put_condition(&writer, DEPTH);
}

static const struct event *make_event(struct support_random *random, const struct fields *fields,
				      struct event_builder *builder)
{
	event_begin(builder);
	event_header(builder)->datasets = UINT32_MAX;
	const uint32_t count = support_random_below(random, 10);
	for (uint32_t i = 0; i < count; i++) {
		const char *name = PICK(random, fields_of_text);
		const char *word = PICK(random, words);
		const uint16_t field = fields_find(fields, name, strlen(name));
		if (field != FIELD_NONE)
			event_add_text(builder, field, word, strlen(word));
	}
	const char *category = PICK(random, categories);
	const char *address = PICK(random, addresses);
	event_add_text(builder, FIELD_event_category, category, strlen(category));
	if (support_random_below(random, 2))
		event_add_as_field_type(builder, FIELD_destination_ip, address, strlen(address));
	if (support_random_below(random, 2))
		event_add_integer(builder, FIELD_destination_port, support_random_below(random, 3));
	return event_end(builder);
}

/* Which rules the compiled ruleset says that the event satisfies. */
static void match_ruleset(const struct ruleset *ruleset, struct match_scratch *scratch,
			  const struct event *event, bool out_satisfied[RULES])
{
	step_id steps[RULES];
	memset(out_satisfied, 0, RULES * sizeof(bool));
	const size_t count = ruleset_match(ruleset, scratch, event, steps);
	for (size_t i = 0; i < count; i++) {
		size_t use_count;
		const struct step_use *uses = ruleset_step_uses(ruleset, steps[i], &use_count);
		for (size_t j = 0; j < use_count; j++)
			out_satisfied[uses[j].rule] = true;
	}
}

static size_t run_round(struct support_random *random)
{
	static char queries[RULES][QUERY_MAX];
	struct model_query *models[RULES];
	static struct complaints complaints;
	static struct counters counters;
	struct fields *fields = fields_open();
	struct ruleset_builder *loader = ruleset_builder_open(fields);
	for (size_t i = 0; i < RULES;) {
		make_query(random, queries[i]);
		complaints.count = 0;
		models[i] = model_query_open(fields, queries[i], strlen(queries[i]));
		const bool accepted = ruleset_add_query(loader, queries[i], strlen(queries[i]),
							NULL, &complaints);
		assert_int_equal(accepted, models[i] != NULL);
		i += accepted;
	}
	struct ruleset *ruleset = ruleset_build(loader);
	struct match_scratch *scratch = match_scratch_open(ruleset);
	struct event_builder *builder = event_builder_open(fields, &counters);
	for (size_t i = 0; i < EVENTS; i++) {
		bool satisfied[RULES];
		const struct event *event = make_event(random, fields, builder);
		match_ruleset(ruleset, scratch, event, satisfied);
		for (size_t j = 0; j < RULES; j++)
			if (satisfied[j] != model_query_match(models[j], event))
				fail_msg("event %zu: %d for %s", i, satisfied[j], queries[j]);
	}
	for (size_t i = 0; i < RULES; i++)
		model_query_close(models[i]);
	event_builder_close(builder);
	match_scratch_close(scratch);
	ruleset_close(ruleset);
	fields_close(fields);
	return (size_t)RULES * EVENTS;
}

static void index_agrees_with_asking_every_query(void **state)
{
	(void)state;
	struct support_random random = support_random_open();
	size_t compared = 0;
	for (int i = 0; i < ROUNDS; i++)
		compared += run_round(&random);
	printf("%zu comparisons\n", compared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(index_agrees_with_asking_every_query),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
