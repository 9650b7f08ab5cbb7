/* The only file that knows simdjson (Debian 12: 3.0.1). No exceptions: every error is a code.
 *
 * It uses the first stage alone, through the virtual interface that the library itself dispatches
 * on the CPU. Measured by tests/bench_input.c; the figures stand in docs/events.md.
 */
#include "collector/input/json.h"

#include <cerrno>
#include <memory>
#include <new>
#include <simdjson.h>

static_assert(JSON_PADDING >= simdjson::SIMDJSON_PADDING, "callers must pad for simdjson");

struct json_parser {
	std::unique_ptr<simdjson::internal::dom_parser_implementation> stages;
	size_t capacity_bytes;
	simdjson::dom::parser whole{};
};

namespace
{
constexpr size_t FIRST_CAPACITY_BYTES = 64 * 1024;
constexpr size_t DEPTH_MAX = 1024; /* of the second stage */

bool grow(json_parser *parser, size_t size_bytes)
{
	size_t capacity = FIRST_CAPACITY_BYTES;
	while (capacity < size_bytes)
		capacity *= 2;
	std::unique_ptr<simdjson::internal::dom_parser_implementation> stages;
	if (simdjson::get_active_implementation()->create_dom_parser_implementation(
		    capacity, DEPTH_MAX, stages) != simdjson::SUCCESS)
		return false;
	parser->stages = std::move(stages);
	parser->capacity_bytes = capacity;
	return true;
}
} // namespace

json_parser *json_parser_open(void)
{
	json_parser *parser = new (std::nothrow) json_parser();
	if (parser && grow(parser, FIRST_CAPACITY_BYTES))
		return parser;
	json_parser_close(parser);
	errno = ENOMEM;
	return nullptr;
}

void json_parser_close(json_parser *parser)
{
	delete parser;
}

bool json_parser_index(json_parser *parser, const char *json, size_t size_bytes,
		       json_index *out_index)
{
	if (size_bytes == 0 || size_bytes > JSON_TEXT_MAX)
		return false;
	if (size_bytes > parser->capacity_bytes && !grow(parser, size_bytes))
		return false;
	const simdjson::error_code error =
		parser->stages->stage1(reinterpret_cast<const uint8_t *>(json), size_bytes,
				       simdjson::stage1_mode::regular);
	if (error != simdjson::SUCCESS)
		return false;
	out_index->at_bytes = parser->stages->structural_indexes.get();
	out_index->count = parser->stages->n_structural_indexes;
	return true;
}

bool json_parser_parse(json_parser *parser, const char *json, size_t size_bytes)
{
	return parser->whole.parse(json, size_bytes, false).error() == simdjson::SUCCESS;
}
