/* support_network.h: a network of the test's own: a namespace with a pair
 * of connected interfaces. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETWORK_NEAR "near0" /* the test sends here */
#define NETWORK_FAR  "far0"  /* and it arrives here */

/* Moves the process into a fresh network namespace (once) and makes a fresh pair of interfaces, up,
 * silent, and with room for the longest packets. False, after printing "skipped: " and the reason:
 * no rights, or no such kernel. */
bool network_make(void);

/* A socket that sends whole frames from an interface; fails the test if there is none. */
int network_sender(const char *interface);

/* False when the interface cannot carry it: shorter than its header, longer than its MTU. */
bool network_send(int sender, const void *frame, size_t size_bytes);
