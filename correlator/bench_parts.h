/* bench_parts.h: the parts of `bench base` that have files of their own, and of `bench correlator`.
 * Each as bench_fn. */
#pragma once

#include "correlator/bench.h"

bench_fn bench_address_sets;
bench_fn bench_ring;
bench_fn bench_sequences;
