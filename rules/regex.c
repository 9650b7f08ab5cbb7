/* The only file that knows PCRE2. */
#include "rules/regex.h"

#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "rules/regex_translate.h"

enum { JIT_STACK_MIN = 32 * 1024, JIT_STACK_MAX = 512 * 1024, HEAP_LIMIT_KIB = 1024 };

struct regex {
	pcre2_code *code;
};

struct regex_scratch {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	uint64_t given_up;
};

static pcre2_code *compile(const struct pattern_text *pattern, char out_fault[REGEX_FAULT_MAX])
{
	int error;
	size_t at;
	const uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL | PCRE2_UTF |
				 PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C |
				 PCRE2_NO_AUTO_CAPTURE;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern->bytes, pattern->size_bytes, options,
					 &error, &at, NULL);
	if (!code) {
		char reason[128] = "";
		pcre2_get_error_message(error, (PCRE2_UCHAR *)reason, sizeof(reason));
		snprintf(out_fault, REGEX_FAULT_MAX, "found an unusable expression: %s", reason);
		return NULL;
	}
	/* Without JIT (not built in, or too large for it) it is interpreted. */
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	return code;
}

struct regex *regex_open(const struct text *expressions, size_t count, bool insensitive,
			 char out_fault[REGEX_FAULT_MAX])
{
	size_t total = 0;
	for (size_t i = 0; i < count; i++)
		total += expressions[i].size_bytes + 1;
	if (total > REGEX_BYTES_MAX) {
		snprintf(out_fault, REGEX_FAULT_MAX,
			 "found expressions of %zu bytes, expected at most %d", total,
			 REGEX_BYTES_MAX);
		return NULL;
	}
	struct pattern_text pattern = { 0 };
	bool good = true;
	for (size_t i = 0; good && i < count; i++) {
		if (i > 0)
			pattern_text_add(&pattern, "|");
		good = regex_translate(&pattern, &expressions[i], insensitive, out_fault);
	}
	struct regex *regex = good ? calloc(1, sizeof(*regex)) : NULL;
	if (regex)
		regex->code = compile(&pattern, out_fault);
	free(pattern.bytes);
	if (regex && regex->code)
		return regex;
	free(regex);
	return NULL;
}

void regex_close(struct regex *regex)
{
	if (!regex)
		return;
	pcre2_code_free(regex->code);
	free(regex);
}

struct regex_scratch *regex_scratch_open(void)
{
	struct regex_scratch *scratch = calloc(1, sizeof(*scratch));
	if (!scratch)
		return NULL;
	scratch->data = pcre2_match_data_create(1, NULL);
	scratch->context = pcre2_match_context_create(NULL);
	scratch->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	if (!scratch->data || !scratch->context) {
		regex_scratch_close(scratch);
		return NULL;
	}
	pcre2_set_match_limit(scratch->context, REGEX_MATCH_LIMIT);
	pcre2_set_depth_limit(scratch->context, REGEX_MATCH_LIMIT);
	pcre2_set_heap_limit(scratch->context, HEAP_LIMIT_KIB);
	if (scratch->stack)
		pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
	return scratch;
}

void regex_scratch_close(struct regex_scratch *scratch)
{
	if (!scratch)
		return;
	pcre2_match_data_free(scratch->data);
	pcre2_match_context_free(scratch->context);
	pcre2_jit_stack_free(scratch->stack);
	free(scratch);
}

uint64_t regex_scratch_given_up(const struct regex_scratch *scratch)
{
	return scratch->given_up;
}

bool regex_match(const struct regex *regex, struct regex_scratch *scratch, const char *text,
		 size_t size_bytes)
{
	const int result = pcre2_match(regex->code, (PCRE2_SPTR)text, size_bytes, 0, 0,
				       scratch->data, scratch->context);
	if (result < 0 && result != PCRE2_ERROR_NOMATCH)
		scratch->given_up++;
	return result >= 0;
}
