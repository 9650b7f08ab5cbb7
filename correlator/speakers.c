#include "correlator/speakers.h"

#include <string.h>
#include <strings.h>

/* "pc1" and "PC1.corp.example" are one; "pc1.a" and "pc1.b" are not. */
static bool same_computer(const char *left, const char *right)
{
	const size_t left_short = strcspn(left, ".");
	const size_t right_short = strcspn(right, ".");
	if (left[left_short] && right[right_short])
		return strcasecmp(left, right) == 0;
	return left_short == right_short && strncasecmp(left, right, left_short) == 0;
}

static const struct speaker *find(const struct speakers *speakers, const char *peer)
{
	const struct speaker *others = NULL;
	for (size_t i = 0; i < speakers->count; i++) {
		const struct speaker *speaker = &speakers->items[i];
		if (strcmp(speaker->peer, "*") == 0)
			others = speaker;
		else if (*peer && strcasecmp(speaker->peer, peer) == 0)
			return speaker;
	}
	return others;
}

bool speakers_allow(const struct speakers *speakers, const char *peer, const char *computer)
{
	if (!speakers || speakers->count == 0)
		return true;
	const struct speaker *speaker = find(speakers, peer);
	for (size_t i = 0; speaker && i < speaker->computer_count; i++) {
		const char *allowed = speaker->computers[i];
		if (strcmp(allowed, "*") == 0)
			return true;
		if (strcmp(allowed, "peer") == 0)
			allowed = peer;
		if (*allowed && same_computer(allowed, computer))
			return true;
	}
	return false;
}
