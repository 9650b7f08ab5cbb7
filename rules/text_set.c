#include "rules/text_set.h"

#include "collector/base/hash.h"
#include "rules/value.h"

struct entry {
	uint32_t folded_hash;
	struct text text; /* bytes NULL: empty */
};

struct text_set {
	size_t mask;
	bool insensitive;
	struct entry entries[]; /* open addressing, at most half full */
};

struct text_set *text_set_open(const struct text *texts, size_t count, bool insensitive,
			       struct arena *arena)
{
	size_t room = 2;
	while (room < 2 * count)
		room *= 2;
	struct text_set *set = arena_take(arena, sizeof(*set) + room * sizeof(struct entry));
	if (!set)
		return NULL;
	set->mask = room - 1;
	set->insensitive = insensitive;
	for (size_t i = 0; i < count; i++) {
		const uint32_t hash = hash_folded_text(texts[i].bytes, texts[i].size_bytes);
		size_t at = hash & set->mask;
		while (set->entries[at].text.bytes)
			at = (at + 1) & set->mask;
		set->entries[at] = (struct entry){ hash, texts[i] };
	}
	return set;
}

bool text_set_has(const struct text_set *set, const char *text, size_t size_bytes,
		  uint32_t folded_hash)
{
	const struct text wanted = { text, size_bytes };
	for (size_t at = folded_hash & set->mask; set->entries[at].text.bytes;
	     at = (at + 1) & set->mask) {
		const struct entry *entry = &set->entries[at];
		if (entry->folded_hash == folded_hash &&
		    text_equal(&entry->text, &wanted, set->insensitive))
			return true;
	}
	return false;
}
