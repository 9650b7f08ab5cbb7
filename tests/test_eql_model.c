/* Random conditions over random events: the compiled program and the plain model have to agree.
 *
 * Conditions are written as EQL text, so the parser is in it too. Texts, patterns and numbers come
 * from small pools, so that near misses are common. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/program.h"
#include "tests/model_eql.h"
#include "tests/support_eql.h"
#include "tests/support_random.h"

enum {
	ROUNDS = 40,	/* a set of programs and of events each */
	PROGRAMS = 120, /* of a round */
	EVENTS = 80,	/* of a round */
	QUERY_TEXT_MAX = 16384,
	CONDITION_DEPTH = 3,
};

#define POOL(name, ...) static const char *const name[] = { __VA_ARGS__ }
#define PICK(random, pool)                                                                         \
	((pool)[support_random_below(random, (uint32_t)(sizeof(pool) / sizeof((pool)[0])))])

POOL(text_values, "cmd.exe", "CMD.EXE", "Cmd.exe", "cmd*exe", "cmd", "", "c", "abcabc", "ABCabc",
     "a", "b", "1", "12", "0x1f", "-3.5", "x y", "C:\\Windows\\cmd.exe", "caf\xc3\xa9",
     "\xe2\x82\xac\x35", "aab", "aabaab", "abab", "exe.cmd");
POOL(text_literals, "\"cmd.exe\"", "\"CMD.exe\"", "\"cmd\"", "\"\"", "\"c\"", "\"abc\"", "\"a\"",
     "\"b\"", "\"1\"", "\".exe\"", "\"\"\"C:\\Windows\\cmd.exe\"\"\"", "\"caf\\u00e9\"",
     "\"\xe2\x82\xac\"", "\"aab\"", "\"ab\"", "\"exe\"");
POOL(patterns, "\"cmd*\"", "\"*.exe\"", "\"*\"", "\"?\"", "\"c?d*\"", "\"*a?b*\"", "\"*ab*ab*\"",
     "\"a*b*c\"", "\"**c**\"", "\"cmd.exe\"", "\"\"", "\"caf?\"", "\"*?5\"", "\"??\"", "\"*\\\\*\"",
     "\"*cmd*exe\"", "\"A*\"", "\"*b\"", "\"*?\"", "\"?*?\"");
POOL(integers, "0", "1", "2", "3", "-1", "7", "12", "31", "443", "1.5", "3.0", "-0.5");
POOL(addresses, "10.0.0.5", "10.1.2.3", "192.168.1.1", "8.8.8.8", "::ffff:8.8.4.4", "2001:db8::1",
     "::1", "172.16.9.9");
POOL(address_literals, "\"10.0.0.5\"", "\"8.8.8.8\"", "\"::ffff:10.0.0.5\"", "\"2001:DB8:0::1\"",
     "\"8.8.4.4\"", "\"::1\"");
POOL(networks, "\"10.0.0.0/8\"", "\"10.0.0.5/32\"", "\"192.168.0.0/16\"", "\"2001:db8::/32\"",
     "\"::/0\"", "\"0.0.0.0/0\"", "\"8.8.0.0/13\"", "\"10.1.0.0/15\"");
POOL(times, "\"2020-01-01T00:00:00Z\"", "\"2020-01-01 00:00:00.001\"", "1577836800000",
     "1577836800001", "1577836800500", "\"2021-05-05\"");
POOL(comparisons, "==", "!=", "<", "<=", ">", ">=");
POOL(equalities, "==", "!=");
POOL(sums, "+", "-", "*", "/", "%");

struct writer {
	struct support_random *random;
	char text[QUERY_TEXT_MAX];
	size_t size;
};

static void put(struct writer *writer, const char *text)
{
	const size_t size = strlen(text);
	if (writer->size + size >= sizeof(writer->text))
		fail_msg("the condition outgrew its buffer");
	memcpy(writer->text + writer->size, text, size + 1);
	writer->size += size;
}

static uint32_t below(struct writer *writer, uint32_t limit)
{
	return support_random_below(writer->random, limit);
}

static void put_list(struct writer *writer, const char *const *pool, size_t pool_count)
{
	put(writer, "(");
	for (uint32_t i = 0, count = 1 + below(writer, 4); i < count; i++) {
		put(writer, i ? ", " : "");
		put(writer, pool[below(writer, (uint32_t)pool_count)]);
	}
	put(writer, ")");
}

#define PUT_LIST(writer, pool) put_list(writer, pool, sizeof(pool) / sizeof((pool)[0]))

static void put_text(struct writer *writer, int depth);

static void put_number(struct writer *writer, int depth)
{
	POOL(fields, "n.one", "n.two", "d");
	switch (below(writer, depth > 0 ? 7 : 2)) {
	case 0:
		put(writer, PICK(writer->random, fields));
		return;
	case 1:
		put(writer, "(");
		put(writer, PICK(writer->random, integers));
		put(writer, ")");
		return;
	case 2:
		put(writer, "length(");
		put_text(writer, depth - 1);
		put(writer, ")");
		return;
	case 3:
		put(writer, below(writer, 2) ? "indexOf~(" : "indexof(");
		put_text(writer, depth - 1);
		put(writer, ", ");
		put_text(writer, depth - 1);
		put(writer, below(writer, 2) ? ", 1)" : ")");
		return;
	case 4:
		put(writer, "number(");
		put_text(writer, depth - 1);
		put(writer, below(writer, 2) ? ", 16)" : ")");
		return;
	case 5:
		put(writer, "-(");
		put_number(writer, depth - 1);
		put(writer, ")");
		return;
	default:
		put(writer, "(");
		put_number(writer, depth - 1);
		put(writer, " ");
		put(writer, PICK(writer->random, sums));
		put(writer, " ");
		put_number(writer, depth - 1);
		put(writer, ")");
		return;
	}
}

static void put_position(struct writer *writer)
{
	POOL(positions, "0", "1", "2", "-1", "-2", "-9", "4", "99", "null");
	put(writer, PICK(writer->random, positions));
}

static void put_text(struct writer *writer, int depth)
{
	POOL(fields, "s.one", "s.two");
	switch (below(writer, depth > 0 ? 7 : 2)) {
	case 0:
		put(writer, PICK(writer->random, fields));
		return;
	case 1:
		put(writer, PICK(writer->random, text_literals));
		return;
	case 2:
		put(writer, "substring(");
		put_text(writer, depth - 1);
		put(writer, ", ");
		put_position(writer);
		put(writer, ", ");
		put_position(writer);
		put(writer, ")");
		return;
	case 3:
		put(writer, below(writer, 2) ? "between~(" : "between(");
		put_text(writer, depth - 1);
		put(writer, ", ");
		put_text(writer, depth - 1);
		put(writer, ", ");
		put_text(writer, depth - 1);
		put(writer, below(writer, 2) ? ", true)" : ")");
		return;
	case 4:
		put(writer, "string(");
		put(writer, below(writer, 2) ? "n.one" : "a");
		put(writer, ")");
		return;
	case 5:
		put(writer, "concat(");
		put_text(writer, depth - 1);
		put(writer, ", n.two, b, ");
		put_text(writer, depth - 1);
		put(writer, ")");
		return;
	default:
		put(writer, "concat(\"a\", ");
		put_text(writer, depth - 1);
		put(writer, ")");
		return;
	}
}

/* A condition on functions and arithmetic. Its left side reads at least one field. */
static void put_script(struct writer *writer)
{
	switch (below(writer, 6)) {
	case 0:
		put(writer, below(writer, 2) ? "startsWith~(" : "startsWith(");
		break;
	case 1:
		put(writer, below(writer, 2) ? "endswith~(" : "endsWith(");
		break;
	case 2:
		put(writer, below(writer, 2) ? "stringContains~(" : "STRINGCONTAINS(");
		break;
	case 3:
		put(writer, "concat(s.one, ");
		put_text(writer, 2);
		put(writer, below(writer, 2) ? ") : " : ") like ");
		PUT_LIST(writer, patterns);
		return;
	case 4:
		put(writer, "n.one + ");
		put_number(writer, 2);
		put(writer, " ");
		put(writer, PICK(writer->random, comparisons));
		put(writer, " ");
		put(writer, PICK(writer->random, integers));
		return;
	default:
		put(writer, "substring(s.two, ");
		put_position(writer);
		put(writer, ") ");
		if (below(writer, 6) == 0) {
			put(writer, below(writer, 2) ? "== null" : "!= null");
			return;
		}
		put(writer, PICK(writer->random, comparisons));
		put(writer, " ");
		put(writer, PICK(writer->random, text_literals));
		return;
	}
	put_text(writer, 2);
	put(writer, ", s.one)");
	if (below(writer, 5) == 0)
		put(writer, " == null");
}

static void put_compare(struct writer *writer, const char *field, const char *operator_text,
			const char *constant)
{
	const bool equality =
		operator_text[1] == '=' && operator_text[0] != '<' && operator_text[0] != '>';
	const bool swapped = equality && below(writer, 4) == 0;
	put(writer, swapped ? constant : field);
	put(writer, " ");
	put(writer, operator_text);
	put(writer, " ");
	put(writer, swapped ? field : constant);
}

static void put_text_term(struct writer *writer)
{
	POOL(fields, "s.one", "s.two", "?s.one");
	POOL(operators, " : ", " like ", " like~ ", " in ", " in~ ", " not in ", " not in~ ");
	const char *field = PICK(writer->random, fields);
	if (below(writer, 3) == 0) {
		put_compare(writer, field, PICK(writer->random, comparisons),
			    PICK(writer->random, text_literals));
		return;
	}
	const char *operator_text = PICK(writer->random, operators);
	put(writer, field);
	put(writer, operator_text);
	if (strstr(operator_text, "in"))
		PUT_LIST(writer, text_literals);
	else
		PUT_LIST(writer, patterns);
}

static void put_atom(struct writer *writer)
{
	POOL(nullable, "s.one", "n.one", "a", "t", "b", "d", "n.one + n.two", "length(s.two)");
	POOL(truths, "true", "false");
	POOL(numbers, "n.one", "n.two", "d");
	switch (below(writer, 10)) {
	case 0:
		put_compare(writer, PICK(writer->random, nullable),
			    PICK(writer->random, equalities), "null");
		return;
	case 1:
		put_compare(writer, PICK(writer->random, numbers),
			    PICK(writer->random, comparisons), PICK(writer->random, integers));
		return;
	case 2:
		put(writer, PICK(writer->random, numbers));
		put(writer, below(writer, 2) ? " in " : " not in ");
		PUT_LIST(writer, integers);
		return;
	case 3:
		put_compare(writer, "a", PICK(writer->random, comparisons),
			    PICK(writer->random, address_literals));
		return;
	case 4:
		put(writer, below(writer, 2) ? "cidrMatch(a, " : "not cidrmatch(a, ");
		put(writer, PICK(writer->random, networks));
		put(writer, ", ");
		put(writer, PICK(writer->random, networks));
		put(writer, ")");
		return;
	case 5:
		put_compare(writer, "t", PICK(writer->random, comparisons),
			    PICK(writer->random, times));
		return;
	case 6:
		if (below(writer, 2))
			put(writer, "b");
		else
			put_compare(writer, "b", PICK(writer->random, equalities),
				    PICK(writer->random, truths));
		return;
	case 7:
		put_script(writer);
		return;
	default:
		put_text_term(writer);
		return;
	}
}

static void put_condition(struct writer *writer, int depth)
{
	const uint32_t choice = below(writer, depth > 0 ? 8 : 1);
	if (choice < 2) {
		put_atom(writer);
		return;
	}
	if (choice == 2) {
		put(writer, "not (");
		put_condition(writer, depth - 1);
		put(writer, below(writer, 6) == 0 ? ") == true" : ")");
		return;
	}
	put(writer, "(");
	for (uint32_t i = 0, count = 2 + below(writer, 3); i < count; i++) {
		if (i > 0)
			put(writer, choice < 6 ? " and " : " or ");
		if (below(writer, 4) == 0)
			put(writer, "not ");
		put_condition(writer, depth - 1);
	}
	put(writer, ")");
	if (below(writer, 20) == 0)
		put(writer, " == false");
}

/* --- events ----------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum field_type type;
} event_fields[] = {
	{ "s.one", FIELD_TYPE_KEYWORD }, { "s.two", FIELD_TYPE_KEYWORD },
	{ "n.one", FIELD_TYPE_LONG },	 { "n.two", FIELD_TYPE_LONG },
	{ "d", FIELD_TYPE_DOUBLE },	 { "b", FIELD_TYPE_BOOLEAN },
	{ "a", FIELD_TYPE_IP },		 { "t", FIELD_TYPE_DATE },
};

enum { EVENT_FIELD_COUNT = sizeof(event_fields) / sizeof(event_fields[0]) };

static struct model_value random_value(struct support_random *random, enum field_type type)
{
	struct model_value value = { 0 };
	const char *address = PICK(random, addresses);
	switch (type) {
	case FIELD_TYPE_LONG:
		value.type = MODEL_INTEGER;
		value.integer = strtoll(PICK(random, integers), NULL, 10);
		break;
	case FIELD_TYPE_DOUBLE:
		value.type = MODEL_DOUBLE;
		value.number = (double)support_random_below(random, 14) / 2 - 1;
		break;
	case FIELD_TYPE_BOOLEAN:
		value.type = MODEL_BOOLEAN;
		value.boolean = support_random_below(random, 2);
		break;
	case FIELD_TYPE_IP:
		value.type = MODEL_ADDRESS;
		ip_address_parse(address, strlen(address), &value.address);
		break;
	case FIELD_TYPE_DATE:
		value.type = MODEL_TIME;
		value.integer =
			1577836800000000000 + 500000 * (int64_t)support_random_below(random, 4);
		break;
	default:
		value.type = MODEL_TEXT;
		snprintf(value.text, sizeof(value.text), "%s", PICK(random, text_values));
		break;
	}
	return value;
}

static void add_value(struct event_builder *builder, uint16_t field,
		      const struct model_value *value)
{
	switch (value->type) {
	case MODEL_TEXT:
		event_add_text(builder, field, value->text, strlen(value->text));
		return;
	case MODEL_INTEGER:
		event_add_integer(builder, field, value->integer);
		return;
	case MODEL_DOUBLE:
		event_add_double(builder, field, value->number);
		return;
	case MODEL_BOOLEAN:
		event_add_boolean(builder, field, value->boolean);
		return;
	case MODEL_ADDRESS:
		event_add_address(builder, field, &value->address);
		return;
	default:
		event_add_time(builder, field, (uint64_t)value->integer);
		return;
	}
}

static struct event *random_event(struct support_random *random, struct fields *fields,
				  struct event_builder *builder, struct model_event *model)
{
	event_begin(builder);
	model->field_count = EVENT_FIELD_COUNT;
	for (size_t i = 0; i < EVENT_FIELD_COUNT; i++) {
		static const uint8_t counts[] = { 0, 0, 1, 1, 1, 1, 1, 2, 2, 3 };
		struct model_field *field = &model->fields[i];
		const char *name = event_fields[i].name;
		field->name = name;
		field->count = PICK(random, counts);
		for (size_t j = 0; j < field->count; j++) {
			field->values[j] = random_value(random, event_fields[i].type);
			add_value(builder, fields_find(fields, name, strlen(name)),
				  &field->values[j]);
		}
	}
	const struct event *event = event_end(builder);
	struct event *copy = malloc(event->size_bytes);
	memcpy(copy, event, event->size_bytes);
	return copy;
}

/* --- the comparison --------------------------------------------------------------------------- */

struct round {
	struct support_random *random;
	struct arena *arena;
	struct fields *fields;
	struct program_set *set;
	struct complaints complaints;
	const struct expression *conditions[PROGRAMS];
	const struct program *programs[PROGRAMS];
	char *texts[PROGRAMS];
	size_t true_count;
};

static void write_programs(struct round *round)
{
	for (size_t i = 0; i < PROGRAMS; i++) {
		static struct writer writer;
		writer.random = round->random;
		writer.size = 0;
		put_condition(&writer, CONDITION_DEPTH);
		round->texts[i] = strdup(writer.text);
		round->conditions[i] = eql_parse_expression(writer.text, writer.size, NULL,
							    round->arena, &round->complaints);
		const struct query_term term = { .condition = round->conditions[i] };
		if (term.condition)
			round->programs[i] =
				program_compile(round->set, &term, NULL, NULL, &round->complaints);
		if (round->programs[i])
			continue;
		complaints_print(&round->complaints);
		fail_msg("refused: %s", writer.text);
	}
}

static void compare_round(struct round *round, struct event_builder *builder)
{
	static struct model_event model;
	struct program_scratch *scratch = program_scratch_open(round->set);
	for (size_t e = 0; e < EVENTS; e++) {
		struct event *event = random_event(round->random, round->fields, builder, &model);
		program_scratch_next_event(scratch);
		for (size_t i = 0; i < PROGRAMS; i++) {
			const bool expected = model_eql_matches(round->conditions[i], &model);
			const bool found = program_match(round->programs[i], scratch, event);
			round->true_count += found;
			if (found == expected)
				continue;
			program_print(round->programs[i], stdout);
			fail_msg("event %zu: found %d, expected %d: %s", e, found, expected,
				 round->texts[i]);
		}
		free(event);
	}
	program_scratch_close(scratch);
}

static size_t run_round(struct support_random *random)
{
	struct round *round = calloc(1, sizeof(*round));
	round->random = random;
	round->arena = arena_open(0);
	round->fields = fields_open();
	for (size_t i = 0; i < EVENT_FIELD_COUNT; i++)
		fields_add(round->fields, event_fields[i].name, strlen(event_fields[i].name),
			   event_fields[i].type);
	fields_want_all(round->fields);
	round->set = program_set_open(round->fields, round->arena);
	struct counters counters = { 0 };
	struct event_builder *builder = event_builder_open(round->fields, &counters);
	write_programs(round);
	compare_round(round, builder);
	const size_t true_count = round->true_count;
	event_builder_close(builder);
	program_set_close(round->set);
	fields_close(round->fields);
	arena_close(round->arena);
	for (size_t i = 0; i < PROGRAMS; i++)
		free(round->texts[i]);
	free(round);
	return true_count;
}

static void programs_agree_with_the_model_on_random_conditions_and_events(void **state)
{
	(void)state;
	struct support_random random = support_random_open();
	size_t true_count = 0;
	for (int i = 0; i < ROUNDS; i++)
		true_count += run_round(&random);
	printf("%d comparisons, %zu of them true\n", ROUNDS * PROGRAMS * EVENTS, true_count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_agree_with_the_model_on_random_conditions_and_events),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
