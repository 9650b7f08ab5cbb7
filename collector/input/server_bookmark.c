/* server_bookmark.c: where each WEF client was when it was last acknowledged. Kept in memory, found
 * again in the spool after a restart. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "collector/base/hard.h"
#include "collector/base/log.h"
#include "collector/input/server_inside.h"

enum { BOOKMARKS_MAX = HARD(65536, 64) };

struct bookmark {
	char *machine;
	char *text;
};

/* By name without case: the first entry that is not before it. */
static size_t place_of(const struct server *server, const char *machine)
{
	size_t low = 0;
	size_t high = server->bookmark_count;
	while (low < high) {
		const size_t middle = (low + high) / 2;
		if (strcasecmp(server->bookmarks[middle].machine, machine) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool insert(struct server *server, size_t place, const char *machine)
{
	if (server->bookmark_count == BOOKMARKS_MAX)
		return false;
	struct bookmark *larger =
		realloc(server->bookmarks, (server->bookmark_count + 1) * sizeof(struct bookmark));
	if (!larger)
		return false;
	server->bookmarks = larger;
	char *name = strdup(machine);
	if (!name)
		return false;
	memmove(larger + place + 1, larger + place,
		(server->bookmark_count - place) * sizeof(struct bookmark));
	larger[place] = (struct bookmark){ .machine = name };
	server->bookmark_count++;
	return true;
}

void bookmark_remember(struct server *server, const char *document, size_t size_bytes)
{
	const char *newline = memchr(document, '\n', size_bytes);
	char machine[WEF_MACHINE_MAX + 1];
	if (!newline || newline - document > WEF_MACHINE_MAX)
		return;
	snprintf(machine, sizeof(machine), "%.*s", (int)(newline - document), document);
	const size_t place = place_of(server, machine);
	const bool known = place < server->bookmark_count &&
			   strcasecmp(server->bookmarks[place].machine, machine) == 0;
	if (!known && !insert(server, place, machine)) {
		log_warnx("wef: no room for the bookmark of %s", machine);
		return;
	}
	char *text = strndup(newline + 1, size_bytes - (size_t)(newline + 1 - document));
	free(server->bookmarks[place].text);
	server->bookmarks[place].text = text;
}

bool bookmark_find(void *context, const char *machine, char out_bookmark[WEF_BOOKMARK_MAX])
{
	const struct server *server = context;
	const size_t place = place_of(server, machine);
	if (place == server->bookmark_count ||
	    strcasecmp(server->bookmarks[place].machine, machine) != 0 ||
	    !server->bookmarks[place].text)
		return false;
	snprintf(out_bookmark, WEF_BOOKMARK_MAX, "%s", server->bookmarks[place].text);
	return true;
}

void bookmarks_close(struct server *server)
{
	for (size_t i = 0; i < server->bookmark_count; i++) {
		free(server->bookmarks[i].machine);
		free(server->bookmarks[i].text);
	}
	free(server->bookmarks);
}
