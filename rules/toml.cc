/* toml.cc: the only file that knows toml++'s types. */
#include "rules/toml.h"

#include <string.h>

#include <string_view>

#define TOML_EXCEPTIONS	       0
#define TOML_HEADER_ONLY       1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 64
/* toml++ asserts what hostile text breaks ("[.a]") and then checks it too: the check is what counts */
#define TOML_ASSERT(expression) static_assert(true)
#include <toml++/toml.h>

static_assert(TOML_MAX_NESTED_VALUES == TOML_NESTING_MAX, "toml.h states toml++'s limit");

namespace
{

bool convert(const toml::node &from, struct arena *arena, struct toml_node *to);

bool convert_table(const toml::table &table, struct arena *arena, struct toml_node *to)
{
	auto *items = static_cast<struct toml_node *>(
		arena_take(arena, table.size() * sizeof(struct toml_node)));
	if (!items)
		return false;
	to->kind = TOML_TABLE;
	to->items = items;
	to->count = table.size();
	for (const auto &[key, value] : table) {
		items->key = arena_copy_text(arena, key.data(), key.length());
		if (!items->key || !convert(value, arena, items))
			return false;
		items++;
	}
	return true;
}

bool convert_array(const toml::array &array, struct arena *arena, struct toml_node *to)
{
	auto *items = static_cast<struct toml_node *>(
		arena_take(arena, array.size() * sizeof(struct toml_node)));
	if (!items)
		return false;
	to->kind = TOML_ARRAY;
	to->items = items;
	to->count = array.size();
	for (const toml::node &value : array)
		if (!convert(value, arena, items++))
			return false;
	return true;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
int64_t days_of(const toml::date &date)
{
	const int64_t year = date.year - (date.month <= 2);
	const int64_t era = (year >= 0 ? year : year - 399) / 400;
	const int64_t year_of_era = year - era * 400;
	const int64_t month = (date.month + 9) % 12;
	const int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

int64_t nanoseconds_of(const toml::time &time)
{
	const int64_t seconds = (time.hour * 60 + time.minute) * 60 + time.second;
	return seconds * 1000000000 + time.nanosecond;
}

/* Saturates: years beyond 2262 do not fit. */
int64_t unix_ns_of(const toml::date &date, int64_t time_of_day_ns, int64_t zone_minutes)
{
	int64_t unix_ns;
	const int64_t day_ns = INT64_C(86400) * 1000000000;
	if (__builtin_mul_overflow(days_of(date), day_ns, &unix_ns) ||
	    __builtin_add_overflow(unix_ns, time_of_day_ns, &unix_ns) ||
	    __builtin_sub_overflow(unix_ns, zone_minutes * 60 * 1000000000, &unix_ns))
		return date.year < 1970 ? INT64_MIN : INT64_MAX;
	return unix_ns;
}

int64_t unix_ns_of(const toml::date_time &moment)
{
	const int64_t zone_minutes = moment.offset ? moment.offset->minutes : 0;
	return unix_ns_of(moment.date, nanoseconds_of(moment.time), zone_minutes);
}

bool convert_text(const std::string &text, struct arena *arena, struct toml_node *to)
{
	to->kind = TOML_TEXT;
	to->text = arena_copy_text(arena, text.data(), text.size());
	to->count = text.size();
	return to->text != nullptr;
}

bool convert(const toml::node &from, struct arena *arena, struct toml_node *to)
{
	to->line = from.source().begin.line;
	to->column = from.source().begin.column;
	switch (from.type()) {
	case toml::node_type::table:
		return convert_table(*from.as_table(), arena, to);
	case toml::node_type::array:
		return convert_array(*from.as_array(), arena, to);
	case toml::node_type::string:
		return convert_text(from.as_string()->get(), arena, to);
	case toml::node_type::integer:
		to->kind = TOML_INTEGER;
		to->integer = from.as_integer()->get();
		return true;
	case toml::node_type::floating_point:
		to->kind = TOML_DOUBLE;
		to->number = from.as_floating_point()->get();
		return true;
	case toml::node_type::boolean:
		to->kind = TOML_BOOLEAN;
		to->truth = from.as_boolean()->get();
		return true;
	case toml::node_type::date:
		to->kind = TOML_TIME;
		to->unix_ns = unix_ns_of(from.as_date()->get(), 0, 0);
		return true;
	case toml::node_type::time:
		to->kind = TOML_TIME;
		to->unix_ns = nanoseconds_of(from.as_time()->get());
		return true;
	case toml::node_type::date_time:
		to->kind = TOML_TIME;
		to->unix_ns = unix_ns_of(from.as_date_time()->get());
		return true;
	case toml::node_type::none:
		break;
	}
	return false;
}

} // namespace

/* What toml++ itself may be given: toml_scan has looked for what would hurt it. */
extern "C" bool toml_scan(const char *file, const char *text, size_t size_bytes,
			  struct complaint *complaint);

const struct toml_node *toml_parse(const char *file, const char *text, size_t size_bytes,
				   struct arena *arena, struct complaint *complaint)
{
	if (!toml_scan(file, text, size_bytes, complaint))
		return nullptr;
	const toml::parse_result result = toml::parse(std::string_view(text, size_bytes));
	if (!result) {
		const toml::parse_error &error = result.error();
		const std::string_view words = error.description();
		complain(complaint, file, error.source().begin.line, error.source().begin.column,
			 "%.*s", static_cast<int>(words.size()), words.data());
		return nullptr;
	}
	auto *root = static_cast<struct toml_node *>(arena_take(arena, sizeof(struct toml_node)));
	if (root && convert(result.table(), arena, root))
		return root;
	complain(complaint, file, 0, 0, "no memory for the file's values");
	return nullptr;
}
