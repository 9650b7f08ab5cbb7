/* destination.h: one receiver of alerts: its messages in order, its connection, its spool.
 *
 *	push --> [spool on disk] --> queue in memory: | unconfirmed | unsent | --> sink
 *
 * A message is done when the sink took it and, for a stream, when the other side's kernel has
 * confirmed every byte; until then a broken connection means sending it again. So receivers get
 * every message in order and at least once. Owned by the output thread; time is an argument.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "correlator/ledger.h"
#include "correlator/output_spool.h"
#include "correlator/sink.h"

struct destination;

struct destination_settings {
	struct output_url url;
	const char *spool_directory; /* NULL = none */
	uint64_t spool_max_bytes;
	bool spool_unsynced;
	uint64_t run; /* number of this process, in spool records */
	uint64_t give_up_ns;
	struct ledger *ledger;
	struct counters *counters;
};

bool destination_open(const struct destination_settings *settings, struct complaint *complaint,
		      struct destination **out_destination);

/* What is still in the queue is lost, or stays in the spool. */
void destination_close(struct destination *destination);

const struct output_url *destination_url(const struct destination *destination);

/* Is there room for a message? Without a spool a receiver that takes something now and then is
 * waited for; one that took nothing for give_up_ns is not, and its messages are lost. */
bool destination_has_room(struct destination *destination, uint64_t now_ns);

/* Takes a message (copied) of the ledger's alert, or loses it and tells the ledger. */
void destination_push(struct destination *destination, uint64_t alert, const char *bytes,
		      size_t size_bytes);

/* Connects, sends and confirms as far as it goes without waiting. True if anything moved. */
bool destination_advance(struct destination *destination, uint64_t now_ns);

/* Nothing to send, nothing unconfirmed. */
bool destination_is_idle(const struct destination *destination);

/* Closing: has it taken nothing for so long (counted from `since_ns` at the earliest)? */
bool destination_gave_up(const struct destination *destination, uint64_t since_ns, uint64_t now_ns);

/* What to wait for; the time to wait is shortened to when it wants to be advanced. */
struct pollfd destination_wait(const struct destination *destination, uint64_t now_ns,
			       uint64_t *wait_ns);

/* Why it does not get through; "" when it does. For people. */
const char *destination_error(const struct destination *destination);
