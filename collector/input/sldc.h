/* sldc.h: undoes Streaming Lossless Data Compression, which Windows Event Forwarding puts its SOAP
 * envelopes into.
 *
 * Source: ECMA-321, and what Windows sends. Bits come most significant first; matches point into a
 * circular history of 1,024 bytes by absolute position.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Writes at most `room_bytes`. Returns how many, or -EPROTO (not SLDC) or -EMSGSIZE (more than
 * fits). */
ssize_t sldc_decode(const void *bytes, size_t size_bytes, void *out_bytes, size_t room_bytes);
