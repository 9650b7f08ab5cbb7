/* timer.h: a hierarchical timer wheel over slot numbers: millions of time-outs, constant cost each,
 * no allocation, no pause: expiry is handed out in bounded steps.
 *
 * (Varghese and Lauck, 1987.) Time is an argument and never read here; ticks are as coarse as the
 * caller says. One owner thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer_wheel;

/* Timers are numbered 0..capacity-1 by the caller, one per record. NULL with errno. */
struct timer_wheel *timer_wheel_open(uint32_t capacity, uint64_t tick_ns, uint64_t now_ns);
void timer_wheel_close(struct timer_wheel *wheel);

/* Arms the timer, or moves it when it is armed already. A time in the past fires at the next
 * advance. */
void timer_wheel_set(struct timer_wheel *wheel, uint32_t timer, uint64_t at_ns);
void timer_wheel_cancel(struct timer_wheel *wheel, uint32_t timer);

/* Moves time forward (never back) and writes up to `max` timers that are due; they are disarmed.
 * Call again with the same time until it returns less than `max` and timer_wheel_behind is false.
 * Never fires early; late by less than one tick. Earlier ticks first; within one, in no useful
 * order. */
size_t timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ns, uint32_t *out_timers,
			   size_t max);

/* True: the last advance stopped before its time, because a crowd of timers had to be moved to
 * finer lists and one call moves no more than a few thousand. Whoever does not ask gets the rest
 * with the next advance. */
bool timer_wheel_behind(const struct timer_wheel *wheel);

size_t timer_wheel_bytes(const struct timer_wheel *wheel);
