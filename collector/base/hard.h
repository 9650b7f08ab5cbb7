/* hard.h: sizes that the "hard" build makes tiny, so that full, wrap and evict paths run in every
 * test.
 *
 * (After Lua's HARDSTACKTESTS.) Use it only for a default that a setting can replace, or for a
 * limit whose overrun is counted.
 */
#pragma once

#ifdef PROCSPAN_HARD
#define HARD(normal, tiny) (tiny)
#else
#define HARD(normal, tiny) (normal)
#endif
