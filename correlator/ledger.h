/* ledger.h: which alerts have not yet been settled by every destination, so that each alert is
 * counted once, however many destinations it went to. Output thread only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/counter.h"

struct ledger;

struct ledger *ledger_open(struct counters *counters); /* NULL with errno */

/* A new alert for `destination_count` destinations: its number, counted from 0, or UINT64_MAX when
 * out of memory. */
uint64_t ledger_add(struct ledger *ledger, uint16_t destination_count);

/* One destination took it, or lost it. */
void ledger_settle(struct ledger *ledger, uint64_t alert, bool taken);

/* Counts what is still open as spooled, and frees. */
void ledger_close(struct ledger *ledger);
