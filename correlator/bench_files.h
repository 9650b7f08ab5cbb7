/* bench_files.h: the part of `bench packets` that reads the input as a capture file. */
#pragma once

#include "correlator/bench.h"
#include "correlator/bench_traffic.h"

/* Rows for the input as a file in memory that nobody else sees. False with errno. */
bool bench_files(struct bench *bench, const struct bench_traffic *traffic);
