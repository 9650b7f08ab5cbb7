/* Eleven levels of 64 lists: level 0 has one list per tick, each list of level L covers 64^L ticks.
 * Together they cover every 64-bit tick, so no time is too far away.
 *
 * A timer is in level L when 6-bit digit L is the highest one in which its tick differs from
 * `current`; its digit L is the list. From this follows that in each level only lists above
 * current's digit are in use, and that everything in a lower level is due before anything in a
 * higher one. So the next thing to do is always the lowest used list of the lowest used level: one
 * bitmap word per level finds it, however long nothing was due.
 *
 *	tick    = 01 10 07     in level 1 (digit 1 differs first), list 10
 *	current = 01 03 44
 *
 * When `current` reaches a list of level 0, that list is due. When it reaches a list of a higher
 * level, the list is taken to `moving`, and its timers find their places in lower levels. Timers
 * are linked in a circle through their list's head (numbers above the capacity), so that unlinking
 * needs no list.
 */
#include "collector/base/timer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "collector/base/hard.h"
#include "collector/base/pages.h"

enum {
	DIGIT_BITS = 6,
	LISTS_PER_LEVEL = 1 << DIGIT_BITS,
	LEVELS = 11, /* 66 bits */
	WHEEL_LISTS = LEVELS * LISTS_PER_LEVEL,
	LIST_DUE = WHEEL_LISTS,
	LIST_MOVING,
	LISTS,
	MOVES_PER_ADVANCE = HARD(4096, 2),
};

struct link {
	uint32_t next; /* itself: not armed, or an empty list */
	uint32_t previous;
	uint64_t tick;
};

struct timer_wheel {
	struct link *links; /* `capacity` timers, then LISTS heads */
	uint32_t capacity;
	bool behind;
	uint64_t tick_ns;
	uint64_t current;
	uint64_t used[LEVELS]; /* bit d: list d of this level is not empty */
};

static size_t links_bytes(uint32_t capacity)
{
	return ((size_t)capacity + LISTS) * sizeof(struct link);
}

struct timer_wheel *timer_wheel_open(uint32_t capacity, uint64_t tick_ns, uint64_t now_ns)
{
	if (capacity == 0 || capacity > UINT32_MAX - LISTS || tick_ns == 0) {
		errno = EINVAL;
		return NULL;
	}
	struct timer_wheel *wheel = calloc(1, sizeof(*wheel));
	if (!wheel)
		return NULL;
	wheel->links = pages_open(links_bytes(capacity));
	if (!wheel->links) {
		free(wheel);
		return NULL;
	}
	wheel->capacity = capacity;
	wheel->tick_ns = tick_ns;
	wheel->current = now_ns / tick_ns;
	for (uint32_t i = 0; i < capacity + LISTS; i++)
		wheel->links[i].next = wheel->links[i].previous = i;
	return wheel;
}

void timer_wheel_close(struct timer_wheel *wheel)
{
	if (!wheel)
		return;
	pages_close(wheel->links, links_bytes(wheel->capacity));
	free(wheel);
}

static uint32_t head_of(const struct timer_wheel *wheel, uint32_t list)
{
	return wheel->capacity + list;
}

static bool is_linked(const struct timer_wheel *wheel, uint32_t link)
{
	return wheel->links[link].next != link;
}

static void link_last(struct timer_wheel *wheel, uint32_t list, uint32_t timer)
{
	struct link *links = wheel->links;
	const uint32_t head = head_of(wheel, list);
	const uint32_t last = links[head].previous;
	links[timer].next = head;
	links[timer].previous = last;
	links[last].next = timer;
	links[head].previous = timer;
}

static void unlink_timer(struct timer_wheel *wheel, uint32_t timer)
{
	struct link *links = wheel->links;
	const uint32_t next = links[timer].next;
	const uint32_t previous = links[timer].previous;
	links[previous].next = next;
	links[next].previous = previous;
	links[timer].next = links[timer].previous = timer;
	/* Only the head was left on both sides: the list is empty now. */
	if (next == previous && next >= wheel->capacity) {
		const uint32_t list = next - wheel->capacity;
		if (list < WHEEL_LISTS)
			wheel->used[list / LISTS_PER_LEVEL] &= ~(1ULL << list % LISTS_PER_LEVEL);
	}
}

/* Appends a whole list to another one. */
static void splice(struct timer_wheel *wheel, uint32_t from_list, uint32_t to_list)
{
	struct link *links = wheel->links;
	const uint32_t from = head_of(wheel, from_list);
	const uint32_t into = head_of(wheel, to_list);
	const uint32_t first = links[from].next;
	const uint32_t last = links[from].previous;
	links[first].previous = links[into].previous;
	links[links[into].previous].next = first;
	links[last].next = into;
	links[into].previous = last;
	links[from].next = links[from].previous = from;
	wheel->used[from_list / LISTS_PER_LEVEL] &= ~(1ULL << from_list % LISTS_PER_LEVEL);
}

/* Links a timer where its tick belongs, seen from `current`. */
static void place(struct timer_wheel *wheel, uint32_t timer)
{
	const uint64_t tick = wheel->links[timer].tick;
	if (tick <= wheel->current) {
		link_last(wheel, LIST_DUE, timer);
		return;
	}
	const unsigned highest_bit = 63U - (unsigned)__builtin_clzll(tick ^ wheel->current);
	const unsigned level = highest_bit / DIGIT_BITS;
	const unsigned digit = tick >> level * DIGIT_BITS & (LISTS_PER_LEVEL - 1);
	wheel->used[level] |= 1ULL << digit;
	link_last(wheel, level * LISTS_PER_LEVEL + digit, timer);
}

void timer_wheel_set(struct timer_wheel *wheel, uint32_t timer, uint64_t at_ns)
{
	assert(timer < wheel->capacity);
	if (is_linked(wheel, timer))
		unlink_timer(wheel, timer);
	wheel->links[timer].tick = at_ns / wheel->tick_ns + (at_ns % wheel->tick_ns != 0);
	place(wheel, timer);
}

void timer_wheel_cancel(struct timer_wheel *wheel, uint32_t timer)
{
	assert(timer < wheel->capacity);
	if (is_linked(wheel, timer))
		unlink_timer(wheel, timer);
}

/* Moves `current` to the next used list that begins by `target`, and empties that list into due or
 * moving. False: there is none, and `current` is `target`. */
static bool reach_next_list(struct timer_wheel *wheel, uint64_t target)
{
	unsigned level = 0;
	while (level < LEVELS && wheel->used[level] == 0)
		level++;
	uint64_t begin = UINT64_MAX;
	unsigned digit = 0;
	if (level < LEVELS) {
		const unsigned shift = level * DIGIT_BITS;
		digit = (unsigned)__builtin_ctzll(wheel->used[level]);
		begin = (wheel->current >> shift & ~(uint64_t)(LISTS_PER_LEVEL - 1)) | digit;
		begin <<= shift;
	}
	if (level == LEVELS || begin > target) {
		wheel->current = target;
		return false;
	}
	wheel->current = begin;
	splice(wheel, level * LISTS_PER_LEVEL + digit, level == 0 ? LIST_DUE : LIST_MOVING);
	return true;
}

size_t timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ns, uint32_t *out_timers,
			   size_t max)
{
	const uint64_t now = now_ns / wheel->tick_ns;
	const uint64_t target = now > wheel->current ? now : wheel->current;
	const struct link *due = &wheel->links[head_of(wheel, LIST_DUE)];
	const struct link *moving = &wheel->links[head_of(wheel, LIST_MOVING)];
	const uint32_t moving_head = head_of(wheel, LIST_MOVING);
	size_t count = 0;
	size_t moves = 0;
	for (;;) {
		for (; is_linked(wheel, head_of(wheel, LIST_DUE)) && count < max; count++) {
			out_timers[count] = due->next;
			unlink_timer(wheel, due->next);
		}
		for (; is_linked(wheel, moving_head) && moves < MOVES_PER_ADVANCE; moves++) {
			const uint32_t timer = moving->next;
			unlink_timer(wheel, timer);
			place(wheel, timer);
		}
		wheel->behind = is_linked(wheel, moving_head);
		if (count == max || wheel->behind)
			return count;
		if (!is_linked(wheel, head_of(wheel, LIST_DUE)) && !reach_next_list(wheel, target))
			return count;
	}
}

bool timer_wheel_behind(const struct timer_wheel *wheel)
{
	return wheel->behind;
}

size_t timer_wheel_bytes(const struct timer_wheel *wheel)
{
	return sizeof(*wheel) + links_bytes(wheel->capacity);
}
