#include "rules/field_query.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How a field is compared, and where the query says so. */
struct target {
	struct text name;
	enum field_type type;
	bool analysed;	  /* a text field */
	bool insensitive; /* its .caseless subfield, or asked for */
	struct place place;
};

__attribute__((format(printf, 2, 3))) static void *refuse(struct field_queries *queries,
							  const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(queries->refusal, sizeof(queries->refusal), format, arguments);
	va_end(arguments);
	return NULL;
}

static bool cut_suffix(struct text *name, const char *suffix)
{
	const size_t size = strlen(suffix);
	if (name->size_bytes <= size ||
	    memcmp(name->bytes + name->size_bytes - size, suffix, size) != 0)
		return false;
	name->size_bytes -= size;
	return true;
}

/* Fields that Elasticsearch analyses: text and match_only_text in ECS and
 * the Windows integration. */
static bool is_analysed(struct text name)
{
	static const char *const names[] = { "message", "error.message",
					     "powershell.file.script_block_text" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (name.size_bytes == strlen(names[i]) &&
		    memcmp(name.bytes, names[i], name.size_bytes) == 0)
			return true;
	return false;
}

/* Subfields (process.name.caseless, process.command_line.text) stand for their field, compared
 * otherwise. False: no memory. */
static bool find_target(const struct field_queries *queries, struct text name, struct place place,
			struct target *out_target)
{
	struct target target = { .name = name, .analysed = is_analysed(name), .place = place };
	uint16_t field = fields_find(queries->fields, name.bytes, name.size_bytes);
	if (field == FIELD_NONE) {
		target.insensitive = cut_suffix(&target.name, ".caseless");
		target.analysed = target.analysed ||
				  (!target.insensitive && cut_suffix(&target.name, ".text"));
		field = fields_find(queries->fields, target.name.bytes, target.name.size_bytes);
		target.name.bytes =
			arena_copy_text(queries->arena, target.name.bytes, target.name.size_bytes);
	}
	target.type = field == FIELD_NONE ? FIELD_TYPE_ANY : fields_type(queries->fields, field);
	*out_target = target;
	return target.name.bytes != NULL;
}

static bool parse_integer(struct text text, int64_t *out_integer)
{
	char *end;
	errno = 0;
	*out_integer = strtoll(text.bytes, &end, 10);
	return text.size_bytes && errno == 0 && end == text.bytes + text.size_bytes &&
	       !isspace((unsigned char)*text.bytes) && *text.bytes != '+';
}

static bool parse_double(struct text text, double *out_number)
{
	char *end;
	*out_number = strtod(text.bytes, &end);
	return text.size_bytes && end == text.bytes + text.size_bytes &&
	       !isspace((unsigned char)*text.bytes) && __builtin_isfinite(*out_number);
}

/* A number when the text is one, or NULL. */
static struct expression *number_constant(const struct field_queries *queries, struct text text,
					  struct place place)
{
	int64_t integer;
	double number;
	if (parse_integer(text, &integer))
		return expression_integer(queries->arena, integer, place);
	if (parse_double(text, &number))
		return expression_double(queries->arena, number, place);
	return NULL;
}

static bool text_equals(struct text text, const char *other)
{
	return text.size_bytes == strlen(other) && memcmp(text.bytes, other, text.size_bytes) == 0;
}

static struct expression *boolean_constant(const struct field_queries *queries, struct text text,
					   struct place place)
{
	const bool truth = text_equals(text, "true");
	if (!truth && !text_equals(text, "false"))
		return NULL;
	return expression_boolean(queries->arena, truth, place);
}

/* The constant to compare a field of this type with; refused when the text is none. */
static struct expression *typed_constant(struct field_queries *queries, const struct target *target,
					 struct text text)
{
	const struct place place = target->place;
	struct expression *constant = NULL;
	if (target->type == FIELD_TYPE_LONG || target->type == FIELD_TYPE_DOUBLE)
		constant = number_constant(queries, text, place);
	else if (target->type == FIELD_TYPE_BOOLEAN)
		constant = boolean_constant(queries, text, place);
	else
		return expression_text(queries->arena, text, place);
	if (constant)
		return constant;
	return refuse(queries, "found \"%.64s\", expected %s for `%.128s`", text.bytes,
		      target->type == FIELD_TYPE_BOOLEAN ? "true or false" : "a number",
		      target->name.bytes);
}

static struct expression *field_of(const struct field_queries *queries, const struct target *target)
{
	return expression_field(queries->arena, target->name, target->place);
}

/* A field of unknown type equals a text, and the number or truth value that the text may be. */
static struct expression *equals_any(struct field_queries *queries, const struct target *target,
				     const struct glob *value)
{
	const struct text text = { value->bytes, value->size_bytes };
	struct expression *alternatives[2] = {
		expression_glob(queries->arena, field_of(queries, target), value,
				target->insensitive),
	};
	struct expression *constant = number_constant(queries, text, target->place);
	if (!constant)
		constant = boolean_constant(queries, text, target->place);
	if (!constant)
		return alternatives[0];
	alternatives[1] = expression_compare(queries->arena, OPERATION_EQUAL,
					     field_of(queries, target), constant);
	return expression_list(queries->arena, EXPRESSION_OR, alternatives, 2);
}

/* A text field holds the value: `*` in it is any run of characters. */
static struct expression *contains(struct field_queries *queries, const struct target *target,
				   const struct glob *value)
{
	struct expression *field = field_of(queries, target);
	const size_t size = value->size_bytes;
	if (!glob_has_wildcard(value)) {
		const struct text text = { value->bytes, size };
		return expression_call(queries->arena, "stringContains", true, field,
				       expression_text(queries->arena, text, target->place));
	}
	struct glob around = {
		.bytes = arena_take(queries->arena, size + 3),
		.kinds = arena_take(queries->arena, size + 3),
	};
	if (!around.bytes || !around.kinds)
		return NULL;
	around.size_bytes = size + 2;
	memcpy(around.bytes + 1, value->bytes, size);
	memcpy(around.kinds + 1, value->kinds, size);
	around.bytes[0] = around.bytes[size + 1] = '*';
	around.kinds[0] = around.kinds[size + 1] = GLOB_ANY_RUN;
	return expression_glob(queries->arena, field, &around, true);
}

static struct expression *exists(struct field_queries *queries, const struct target *target)
{
	return expression_compare(queries->arena, OPERATION_NOT_EQUAL, field_of(queries, target),
				  expression_null(queries->arena, target->place));
}

struct expression *field_query_exists(struct field_queries *queries, struct text name,
				      struct place place)
{
	struct target target;
	return find_target(queries, name, place, &target) ? exists(queries, &target) : NULL;
}

/* Equality, or membership in a network, for a field that is no text. */
static struct expression *equals_typed(struct field_queries *queries, const struct target *target,
				       const struct glob *value)
{
	const struct text text = { value->bytes, value->size_bytes };
	if (glob_has_wildcard(value))
		return refuse(queries, "found a wildcard for `%.128s`, which is not a text",
			      target->name.bytes);
	struct expression *field = field_of(queries, target);
	struct expression *constant = typed_constant(queries, target, text);
	if (target->type == FIELD_TYPE_IP && memchr(text.bytes, '/', text.size_bytes))
		return expression_call(queries->arena, "cidrMatch", false, field, constant);
	return expression_compare(queries->arena, OPERATION_EQUAL, field, constant);
}

struct expression *field_query_is(struct field_queries *queries, struct text name,
				  const struct glob *value, bool insensitive, struct place place)
{
	struct target target;
	if (!find_target(queries, name, place, &target))
		return NULL;
	target.insensitive = target.insensitive || insensitive;
	if (glob_is_star(value))
		return exists(queries, &target);
	if (target.analysed)
		return contains(queries, &target, value);
	if (target.type == FIELD_TYPE_ANY)
		return equals_any(queries, &target, value);
	if (target.type == FIELD_TYPE_KEYWORD)
		return expression_glob(queries->arena, field_of(queries, &target), value,
				       target.insensitive);
	return equals_typed(queries, &target, value);
}

struct expression *field_query_range(struct field_queries *queries, struct text name,
				     enum operation operation, struct text value,
				     struct place place)
{
	struct target target;
	struct expression *constant = NULL;
	if (!find_target(queries, name, place, &target))
		return NULL;
	if (target.type == FIELD_TYPE_ANY)
		constant = number_constant(queries, value, place);
	if (!constant)
		constant = typed_constant(queries, &target, value);
	return expression_compare(queries->arena, operation, field_of(queries, &target), constant);
}
