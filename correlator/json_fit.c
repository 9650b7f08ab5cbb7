#include "correlator/json_fit.h"

#include <string.h>

#include "correlator/event_json.h"
#include "correlator/text.h"

enum { NAME_MAX_BYTES = 256 };

static size_t measure(const json_t *document, size_t flags)
{
	return json_dumpb(document, NULL, 0, flags);
}

/* Calls `change` with the object and the key that each match of the path ends in. */
typedef bool change_fn(json_t *object, const char *key, size_t limit);

static bool each_match(json_t *json, const char *path, change_fn *change, size_t limit)
{
	const char *dot = strchr(path, '.');
	if (!json)
		return false;
	if (!dot)
		return json_object_get(json, path) && change(json, path, limit);
	const size_t size = (size_t)(dot - path);
	if (size == 1 && *path == '*') {
		bool any = false;
		for (size_t i = 0; i < json_array_size(json); i++)
			any |= each_match(json_array_get(json, i), dot + 1, change, limit);
		return any;
	}
	char name[NAME_MAX_BYTES];
	if (size >= sizeof(name))
		return false;
	memcpy(name, path, size);
	name[size] = '\0';
	return each_match(json_object_get(json, name), dot + 1, change, limit);
}

static bool remove_key(json_t *object, const char *key, size_t limit)
{
	(void)limit;
	json_object_del(object, key);
	return true;
}

static bool shorten_text(json_t *object, const char *key, size_t limit)
{
	json_t *old = json_object_get(object, key);
	if (!json_is_string(old) || json_string_length(old) <= limit)
		return false;
	const struct text cut =
		text_cut((struct text){ json_string_value(old), json_string_length(old) }, limit);
	json_object_set_new(object, key, json_stringn_nocheck(cut.bytes, cut.size_bytes));
	return true;
}

/* Every text below `json`, wherever it stands. */
static bool shorten_texts(json_t *json, size_t limit)
{
	bool any = false;
	for (size_t i = 0; i < json_array_size(json); i++)
		any |= shorten_texts(json_array_get(json, i), limit);
	const char *key;
	json_t *value;
	void *next;
	json_object_foreach_safe(json, next, key, value) any |=
		json_is_string(value) ? shorten_text(json, key, limit)
				      : shorten_texts(value, limit);
	return any;
}

/* Lowers the limit by quarters until the document fits, or texts would be below keep_bytes. */
static bool shorten(json_t *document, const struct json_cut *cut, size_t flags, size_t max_size)
{
	bool any = false;
	const bool all = strcmp(cut->path, "**") == 0;
	for (size_t limit = max_size; measure(document, flags) > max_size; limit -= limit / 4 + 1) {
		if (limit < cut->keep_bytes)
			limit = cut->keep_bytes;
		any |= all ? shorten_texts(document, limit)
			   : each_match(document, cut->path, shorten_text, limit);
		if (limit == cut->keep_bytes)
			break;
	}
	return any;
}

size_t json_fit(json_t *document, const struct json_cut *cuts, size_t cut_count,
		const char *truncated_path, const char *cut_path, size_t flags, char *out,
		size_t max_size, bool *out_truncated)
{
	size_t size = measure(document, flags);
	*out_truncated = size > max_size;
	if (*out_truncated) {
		/* Longer than the whole document is too long anyway. */
		shorten_texts(document, max_size);
		json_t *list = json_array();
		json_put_dotted(document, truncated_path, json_true());
		json_put_dotted(document, cut_path, json_incref(list));
		for (size_t i = 0; i < cut_count && size > max_size; i++) {
			const bool went =
				cuts[i].keep_bytes
					? shorten(document, &cuts[i], flags, max_size)
					: each_match(document, cuts[i].path, remove_key, 0);
			if (went)
				json_array_append_new(list, json_string(cuts[i].path));
			size = measure(document, flags);
		}
		if (size > max_size) { /* the list itself, if it is still there */
			each_match(document, cut_path, remove_key, 0);
			size = measure(document, flags);
		}
		json_decref(list);
	}
	if (size <= max_size)
		json_dumpb(document, out, max_size, flags);
	return size;
}
