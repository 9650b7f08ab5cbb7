/* speakers.h: which senders may speak for which computers. By the name in the sender's client
 * certificate; nothing in the protocols keeps one host from sending in another's name.
 *
 * Immutable once filled in; read by one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { SPEAKER_COMPUTERS_MAX = 1024 };

struct speaker {
	const char *peer; /* CN; "*" = everybody else, also those without a certificate */
	const char *const *computers; /* names, short or full; "*" = any, "peer" = its own name */
	size_t computer_count;
};

struct speakers {
	const struct speaker *items;
	size_t count; /* 0 = all may speak for all */
};

/* May `peer` ("" = no certificate) speak for the computer of this name? Case does not count, and a
 * short name stands for the full one that begins with it. */
bool speakers_allow(const struct speakers *speakers, const char *peer, const char *computer);
