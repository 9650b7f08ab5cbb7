#!/bin/sh
# Builds and runs the tests in each flavour named. The last line adds up all of them.
jobs=$(nproc)
total=build/check.log
mkdir -p build
: >"$total"
status=0
for flavour in "$@"; do
	echo "== $flavour"
	make --no-print-directory -j"$jobs" FLAVOUR="$flavour" build/"$flavour"/procspan || exit 1
	make --no-print-directory -j"$jobs" FLAVOUR="$flavour" unit >"build/$flavour.log" 2>&1 || status=1
	grep -v -E '^  (CC|CXX) ' "build/$flavour.log"
	grep -E '^[0-9]+ passed, ' "build/$flavour.log" >>"$total" ||
		{ echo "0 passed, 1 failed, 0 skipped" >>"$total"; status=1; }
done
[ "$1" = release ] && ln -sf build/release/procspan procspan
awk '{ passed += $1; failed += $3; skipped += $5 }
     END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$total"
exit $status
