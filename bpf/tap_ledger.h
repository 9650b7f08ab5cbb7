/* tap_ledger.h: how much of each kernel flow entry has been handed to the tracker.
 *
 * The kernel's counts only grow; what is new is what they are above what was taken before. Figures
 * may be read in one order and taken in another (a sweep before a record that was sent earlier):
 * smaller ones than those taken are old news. One owner thread, fixed size.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bpf/tap_record.h"

struct tap_ledger;

/* NULL with errno; the caller closes. */
struct tap_ledger *tap_ledger_open(uint32_t max_flows);
void tap_ledger_close(struct tap_ledger *ledger);

/* Sets out_packets and out_bytes to what is new in these counts. False: nothing. */
bool tap_ledger_take(struct tap_ledger *ledger, const struct tap_flow_key *key,
		     const struct tap_flow *now, uint64_t *out_packets, uint64_t *out_bytes);

/* The kernel's entry was removed. It is remembered until the next tap_ledger_turn but one, for
 * records of it that are still on their way. */
void tap_ledger_retire(struct tap_ledger *ledger, const struct tap_flow_key *key);
void tap_ledger_turn(struct tap_ledger *ledger);

uint32_t tap_ledger_count(const struct tap_ledger *ledger);
