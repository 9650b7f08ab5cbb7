/* The grammar of queries: event query, sequence, sample, pipes; each rule stands above its
 * function.
 *
 * A term of a sequence that is refused is skipped to its closing bracket, so that one reading tells
 * what is wrong with every term.
 */
#include "rules/eql_parser.h"

#include <assert.h>
#include <string.h>

#include "rules/rule.h"

static_assert((int)QUERY_TERMS_MAX == (int)RULE_STAGES_MAX, "every term becomes a stage");
static_assert((int)QUERY_KEYS_MAX == (int)RULE_KEYS_MAX, "every key becomes a rule's key");

/* A query being read; term_count is that of `terms`, which are written out at the end. */
struct builder {
	struct parser *parser;
	struct query_ast *query;
	struct query_term *terms; /* room for QUERY_TERMS_MAX */
	struct query_key global_keys[QUERY_KEYS_MAX];
	size_t global_key_count;
	bool failed;
};

/* keys := 'by' field (',' field)*. Appends to `keys`, which has room for QUERY_KEYS_MAX. */
static bool read_keys(struct parser *parser, struct query_key *keys, size_t *count)
{
	if (!parser_accept(parser, TOKEN_BY))
		return true;
	do {
		struct query_key key = { .place = parser->token.place };
		if (!parser_field(parser, &key.name, &key.optional))
			return false;
		if (*count == QUERY_KEYS_MAX)
			return parser_complain(parser, key.place, "found more than %d join keys",
					       QUERY_KEYS_MAX);
		keys[(*count)++] = key;
	} while (parser_accept(parser, TOKEN_COMMA));
	return true;
}

/* filter := category 'where' expression ; category := 'any' | name | string */
static bool read_filter(struct parser *parser, struct query_term *term)
{
	const struct token category = parser->token;
	term->place = category.place;
	if (category.kind == TOKEN_NAME || category.kind == TOKEN_TEXT)
		term->category = category.text;
	else if (category.kind == TOKEN_JOIN)
		return parser_complain(parser, category.place,
				       "found `join`, which is not supported; expected an event "
				       "category, `sequence` or `sample`");
	else if (category.kind != TOKEN_ANY)
		return parser_refuse(parser, "an event category: a name, a string or `any`");
	parser_take(parser);
	if (!parser_expect(parser, TOKEN_WHERE))
		return false;
	term->condition = parser_expression(parser);
	return term->condition;
}

/* Behind an error: to the bracket that closes the term, or to the end. */
static void skip_term(struct parser *parser)
{
	for (size_t depth = 0; parser->token.kind != TOKEN_END; parser_take(parser)) {
		if (parser->token.kind == TOKEN_BRACKET_OPEN ||
		    parser->token.kind == TOKEN_MISSING_OPEN)
			depth++;
		if (parser->token.kind == TOKEN_BRACKET_CLOSE && depth-- == 0)
			break;
	}
	parser_accept(parser, TOKEN_BRACKET_CLOSE);
	parser->depth = 0;
	parser->operand_count = 0;
}

static bool is_name(const struct token *token, const char *name)
{
	return token->kind == TOKEN_NAME && strcmp(token->text.bytes, name) == 0;
}

/* runs := 'with' 'runs' '=' integer */
static bool read_runs(struct builder *builder, size_t *out_runs)
{
	struct parser *parser = builder->parser;
	if (!parser_accept(parser, TOKEN_WITH))
		return true;
	if (!is_name(&parser->token, "runs"))
		return parser_refuse(parser, "`runs`");
	if (builder->query->kind == QUERY_SAMPLE)
		return parser_complain(parser, parser->token.place,
				       "found `runs`, which a sample cannot have");
	parser_take(parser);
	if (!parser_expect(parser, TOKEN_ASSIGN))
		return false;
	const struct token number = parser->token;
	if (number.kind != TOKEN_INTEGER)
		return parser_refuse(parser, "a whole number of runs");
	if (number.integer < 1 || number.integer > QUERY_RUNS_MAX)
		return parser_complain(parser, number.place, "found %lld runs, expected 1 to %d",
				       (long long)number.integer, QUERY_RUNS_MAX);
	parser_take(parser);
	*out_runs = (size_t)number.integer;
	return true;
}

/* The number of keys has to be the same everywhere: the first term says it. */
static bool check_key_count(struct builder *builder, const struct query_term *term, size_t count,
			    bool first)
{
	if (first)
		builder->query->key_count = count;
	if (count == builder->query->key_count)
		return true;
	return parser_complain(builder->parser, term->place,
			       "found %zu join keys, expected %zu as in the first term",
			       count - builder->global_key_count,
			       builder->query->key_count - builder->global_key_count);
}

/* term := ('[' | '![') filter ']' [keys] ['with' runs]. False: the term's end was not found. */
static bool read_term(struct builder *builder, struct query_term *term, bool first,
		      size_t *out_runs)
{
	struct parser *parser = builder->parser;
	const struct place place = parser->token.place;
	term->missing = parser_accept(parser, TOKEN_MISSING_OPEN);
	if (!term->missing && !parser_expect(parser, TOKEN_BRACKET_OPEN))
		return false;
	if (term->missing && builder->query->kind == QUERY_SAMPLE)
		return parser_complain(parser, place,
				       "found `![`, but a sample cannot have missing events");
	if (!read_filter(parser, term) || !parser_expect(parser, TOKEN_BRACKET_CLOSE)) {
		skip_term(parser);
		builder->failed = true;
	}
	term->place = place;
	size_t runs = 1;
	struct query_key keys[QUERY_KEYS_MAX];
	size_t count = builder->global_key_count;
	memcpy(keys, builder->global_keys, count * sizeof(keys[0]));
	if (!read_keys(parser, keys, &count) || !read_runs(builder, &runs))
		return false;
	if (!check_key_count(builder, term, count, first))
		builder->failed = true;
	struct query_key *copy = parser_room(parser, count * sizeof(*copy));
	if (!copy)
		return false;
	if (count > 0)
		memcpy(copy, keys, count * sizeof(*copy));
	term->keys = copy;
	*out_runs = runs;
	return true;
}

static bool read_terms(struct builder *builder)
{
	struct parser *parser = builder->parser;
	struct query_ast *query = builder->query;
	do {
		struct query_term term = { 0 };
		size_t runs = 1;
		if (!read_term(builder, &term, query->term_count == 0, &runs))
			return false;
		if (runs > QUERY_TERMS_MAX - query->term_count)
			return parser_complain(parser, term.place,
					       "found more than %d terms, runs counted",
					       QUERY_TERMS_MAX);
		for (size_t i = 0; i < runs; i++)
			builder->terms[query->term_count++] = term;
	} while (parser->token.kind == TOKEN_BRACKET_OPEN ||
		 parser->token.kind == TOKEN_MISSING_OPEN);
	return true;
}

/* until := 'until' term, which can be neither missing nor repeated */
static bool read_until(struct builder *builder)
{
	struct parser *parser = builder->parser;
	const struct place place = parser->token.place;
	if (!parser_accept(parser, TOKEN_UNTIL))
		return true;
	if (builder->query->kind == QUERY_SAMPLE)
		return parser_complain(parser, place, "found `until`, which a sample cannot have");
	struct query_term *until = parser_room(parser, sizeof(*until));
	size_t runs = 1;
	if (!until || !read_term(builder, until, false, &runs))
		return false;
	if (until->missing || runs != 1)
		return parser_complain(parser, until->place,
				       "found a missing or repeated term behind `until`, expected "
				       "one plain term");
	builder->query->until = until;
	return true;
}

/* maxspan := 'with' 'maxspan' '=' integer unit */
static bool read_maxspan(struct builder *builder)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {
		{ "ms", 1000000U },	 { "s", 1000000000U },	   { "m", 60000000000U },
		{ "h", 3600000000000U }, { "d", 86400000000000U },
	};
	struct parser *parser = builder->parser;
	if (!parser_accept(parser, TOKEN_WITH))
		return true;
	if (builder->query->kind == QUERY_SAMPLE)
		return parser_complain(parser, parser->token.place,
				       "found `with`, but a sample has no maxspan");
	if (!parser_expect(parser, TOKEN_MAXSPAN) || !parser_expect(parser, TOKEN_ASSIGN))
		return false;
	if (parser->token.kind != TOKEN_INTEGER)
		return parser_refuse(parser, "a whole number and a unit, such as `30s`");
	const struct token number = parser_take(parser);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!is_name(&parser->token, units[i].unit))
			continue;
		parser_take(parser);
		if (number.integer > 0 && (uint64_t)number.integer <= INT64_MAX / units[i].ns) {
			builder->query->maxspan_ns = (uint64_t)number.integer * units[i].ns;
			return true;
		}
		return parser_complain(parser, number.place,
				       "found a maxspan of %lld, expected a positive time span",
				       (long long)number.integer);
	}
	return parser_refuse(parser, "a unit of time: `ms`, `s`, `m`, `h` or `d`");
}

static bool check_terms(struct builder *builder, struct place place)
{
	const struct query_ast *query = builder->query;
	size_t positive = 0;
	const struct query_term *missing = NULL;
	for (size_t i = 0; i < query->term_count; i++) {
		positive += !query->terms[i].missing;
		if (query->terms[i].missing && !missing)
			missing = &query->terms[i];
	}
	const bool sample = query->kind == QUERY_SAMPLE;
	if (query->term_count < 2)
		return parser_complain(builder->parser, place,
				       "found a %s of one term, expected at least two%s",
				       sample ? "sample" : "sequence",
				       sample ? "" : " (`with runs=N` counts N times)");
	if (sample && query->key_count == 0)
		return parser_complain(builder->parser, place,
				       "found a sample without join keys, expected `by`");
	if (missing && query->maxspan_ns == 0)
		return parser_complain(builder->parser, missing->place,
				       "found a missing event in a sequence without `with "
				       "maxspan`, which it needs");
	if (positive == 0)
		return parser_complain(builder->parser, place,
				       "found only missing events, expected one that is there");
	return true;
}

/* sequence := 'sequence' [keys] [maxspan] term+ [until] ; sample := 'sample' [keys] term+ */
static bool read_sequence(struct builder *builder, enum query_kind kind)
{
	struct parser *parser = builder->parser;
	const struct place place = parser->token.place;
	parser_take(parser);
	builder->query->kind = kind;
	builder->query->terms = builder->terms;
	if (!read_keys(parser, builder->global_keys, &builder->global_key_count) ||
	    !read_maxspan(builder))
		return false;
	if (parser->token.kind == TOKEN_BY)
		return parser_complain(parser, parser->token.place,
				       "found `by` behind `with`, expected it before");
	return read_terms(builder) && read_until(builder) &&
	       (builder->failed || check_terms(builder, place));
}

static bool read_event_query(struct builder *builder)
{
	builder->query->kind = QUERY_EVENT;
	builder->query->terms = builder->terms;
	builder->query->term_count = 1;
	return read_filter(builder->parser, &builder->terms[0]);
}

/* pipe := '|' ('head' | 'tail') integer */
static bool read_pipe(struct parser *parser, struct query_pipe *out_pipe)
{
	out_pipe->tail = is_name(&parser->token, "tail");
	if (!out_pipe->tail && !is_name(&parser->token, "head"))
		return parser_refuse(parser, "one of the pipes `head` and `tail`");
	parser_take(parser);
	const struct token number = parser->token;
	if (number.kind != TOKEN_INTEGER)
		return parser_refuse(parser, "a whole number of events, 0 or more");
	parser_take(parser);
	out_pipe->count = (uint64_t)number.integer;
	return true;
}

static bool read_pipes(struct builder *builder)
{
	struct parser *parser = builder->parser;
	struct query_ast *query = builder->query;
	struct query_pipe *pipes = NULL;
	while (parser_accept(parser, TOKEN_PIPE)) {
		if (!pipes)
			pipes = parser_room(parser, QUERY_PIPES_MAX * sizeof(*pipes));
		if (!pipes)
			return false;
		if (query->pipe_count == QUERY_PIPES_MAX)
			return parser_complain(parser, parser->token.place,
					       "found more than %d pipes", QUERY_PIPES_MAX);
		if (!read_pipe(parser, &pipes[query->pipe_count++]))
			return false;
	}
	query->pipes = pipes;
	return parser->token.kind == TOKEN_END ||
	       parser_refuse(parser,
			     query->kind == QUERY_EVENT
				     ? "`and`, `or`, `|` or the end of the query"
				     : "another term, `until`, `|` or the end of the query");
}

/* query := (sequence | sample | filter) pipe* */
static bool read_query(struct builder *builder)
{
	bool good;
	switch (builder->parser->token.kind) {
	case TOKEN_SEQUENCE:
		good = read_sequence(builder, QUERY_SEQUENCE);
		break;
	case TOKEN_SAMPLE:
		good = read_sequence(builder, QUERY_SAMPLE);
		break;
	default:
		good = read_event_query(builder);
		break;
	}
	return good && read_pipes(builder) && !builder->failed;
}

const struct query_ast *eql_parse(const char *text, size_t size_bytes,
				  const struct query_source *source, struct arena *arena,
				  struct complaints *complaints)
{
	struct parser parser;
	struct query_ast *query = NULL;
	if (parser_open(&parser, text, size_bytes, source, arena, complaints)) {
		struct builder builder = {
			.parser = &parser,
			.query = parser_room(&parser, sizeof(*builder.query)),
			.terms = parser_room(&parser, QUERY_TERMS_MAX * sizeof(*builder.terms)),
		};
		if (builder.query && builder.terms && read_query(&builder))
			query = builder.query;
	}
	parser_close(&parser);
	return query;
}

const struct expression *eql_parse_expression(const char *text, size_t size_bytes,
					      const struct query_source *source,
					      struct arena *arena, struct complaints *complaints)
{
	struct parser parser;
	struct expression *expression = NULL;
	if (parser_open(&parser, text, size_bytes, source, arena, complaints)) {
		expression = parser_expression(&parser);
		if (expression && parser.token.kind != TOKEN_END) {
			parser_refuse(&parser, "an operator or the end of the expression");
			expression = NULL;
		}
	}
	parser_close(&parser);
	return expression;
}
