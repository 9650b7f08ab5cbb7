#include "collector/base/counter.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

static const struct {
	const char *name;
	const char *help;
} rows[COUNTER_COUNT] = {
#define COUNTER(name, help) [COUNTER_##name] = { #name, help },
#include "collector/base/counters.def"
#undef COUNTER
};

const char *counter_name(enum counter counter)
{
	return rows[counter].name;
}

const char *counter_help(enum counter counter)
{
	return rows[counter].help;
}

void counters_sum(struct counters *into, const struct counters *from)
{
	for (int i = 0; i < COUNTER_COUNT; i++)
		counter_add(into, (enum counter)i, counter_read(from, (enum counter)i));
}

/* One identity as names, so that identities.def reads like the sum it states. */
struct identity {
	const char *left;
	const char *right; /* comma-separated, as written */
};

static const struct identity identities[] = {
#define IDENTITY(left, ...) { #left, #__VA_ARGS__ },
#include "collector/base/identities.def"
#undef IDENTITY
};

static uint64_t value_of(const struct counters *sum, const char *name, size_t size)
{
	for (int i = 0; i < COUNTER_COUNT; i++) {
		const char *known = rows[i].name;
		if (strncmp(known, name, size) == 0 && known[size] == '\0')
			return counter_read(sum, (enum counter)i);
	}
	assert(!"identities.def names a counter that counters.def does not have");
	return 0;
}

bool counter_identities_hold(const struct counters *sum, FILE *stream)
{
	bool hold = true;
	for (size_t i = 0; i < sizeof(identities) / sizeof(identities[0]); i++) {
		const struct identity *identity = &identities[i];
		const uint64_t left = value_of(sum, identity->left, strlen(identity->left));
		uint64_t right = 0;
		for (const char *at = identity->right; *at;) {
			at += strspn(at, ", \t\n");
			const size_t size = strcspn(at, ", \t\n");
			right += value_of(sum, at, size);
			at += size;
		}
		if (left == right)
			continue;
		hold = false;
		if (stream)
			fprintf(stream, "accounting: %s = %" PRIu64 ", but %s = %" PRIu64 "\n",
				identity->left, left, identity->right, right);
	}
	return hold;
}
