#include "tests/support_eql.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support_shared.h"

static struct {
	rule_query_fn *use;
	void *context;
	size_t count;
} walk;

/* The text between `query = ` and its closing quotes: the rule files write three of them. */
static const char *find_query(const char *bytes, size_t *out_size)
{
	static const char *const openings[] = { "\nquery = '''", "\nquery = \"\"\"" };
	for (size_t i = 0; i < 2; i++) {
		const char *query = strstr(bytes, openings[i]);
		if (!query)
			continue;
		query += strlen(openings[i]);
		const char *end = strstr(query, openings[i] + strlen("\nquery = "));
		if (!end)
			continue;
		*out_size = (size_t)(end - query);
		return query;
	}
	return NULL;
}

static int visit(const char *path, const struct stat *status, int type, struct FTW *position)
{
	(void)status;
	(void)position;
	const size_t length = strlen(path);
	if (type != FTW_F || length < 5 || strcmp(path + length - 5, ".toml") != 0)
		return 0;
	size_t size;
	char *bytes = read_whole_file(path, 1, &size);
	size_t query_size;
	const char *query = bytes ? find_query(bytes, &query_size) : NULL;
	if (query && strstr(bytes, "\nlanguage = \"eql\"")) {
		walk.count++;
		walk.use(walk.context, path, query, query_size);
	}
	free(bytes);
	return 0;
}

size_t each_rule_query(const char *relative, rule_query_fn *use, void *context)
{
	const char *path = shared_path(relative);
	if (!path)
		return 0;
	char root[4096];
	snprintf(root, sizeof(root), "%s", path);
	walk.use = use;
	walk.context = context;
	walk.count = 0;
	nftw(root, visit, 16, FTW_PHYS);
	return walk.count;
}

bool complaints_mention(const struct complaints *complaints, const char *text)
{
	for (size_t i = 0; i < complaints->count; i++)
		if (strstr(complaints->items[i].text, text))
			return true;
	return false;
}

void complaints_print(const struct complaints *complaints)
{
	for (size_t i = 0; i < complaints->count; i++) {
		complaint_print(&complaints->items[i], stdout);
		putchar('\n');
	}
}
