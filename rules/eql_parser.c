/* What every rule of the grammar uses: taking tokens, complaining, memory. */
#include "rules/eql_parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool parser_open(struct parser *parser, const char *text, size_t size_bytes,
		 const struct query_source *source, struct arena *arena,
		 struct complaints *complaints)
{
	*parser = (struct parser){
		.lexer = lexer_over(text, size_bytes, source, arena, complaints),
		.arena = arena,
		.complaints = complaints,
	};
	if (size_bytes > QUERY_SIZE_MAX)
		return parser_complain(parser, (struct place){ parser->lexer.line, 1 },
				       "found a query of %zu bytes, expected at most %d",
				       size_bytes, QUERY_SIZE_MAX);
	parser->token = lexer_next(&parser->lexer);
	return true;
}

void parser_close(struct parser *parser)
{
	free(parser->operands);
}

struct token parser_take(struct parser *parser)
{
	const struct token taken = parser->token;
	if (taken.kind != TOKEN_END)
		parser->token = lexer_next(&parser->lexer);
	return taken;
}

bool parser_accept(struct parser *parser, enum token_kind kind)
{
	const bool there = parser->token.kind == kind;
	if (there)
		parser_take(parser);
	return there;
}

bool parser_expect(struct parser *parser, enum token_kind kind)
{
	return parser_accept(parser, kind) || parser_refuse(parser, token_kind_name(kind));
}

bool parser_complain(struct parser *parser, struct place place, const char *format, ...)
{
	char sentence[COMPLAINT_TEXT_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	return complain(complaints_next(parser->complaints), parser->lexer.file, place.line,
			place.column, "%s", sentence);
}

bool parser_refuse(struct parser *parser, const char *expected)
{
	if (parser->token.kind == TOKEN_BAD)
		return false;
	char found[TOKEN_DESCRIPTION_MAX];
	token_describe(&parser->token, found);
	return parser_complain(parser, parser->token.place, "found %s, expected %s", found,
			       expected);
}

void *parser_room(struct parser *parser, size_t size_bytes)
{
	void *room = arena_take(parser->arena, size_bytes);
	if (!room)
		parser_complain(parser, parser->token.place,
				"the query needs more memory than it may use");
	return room;
}
