#!/bin/sh
# Runs test programs, one per core at a time, and adds up what cmocka says. Usage: run.sh BUILD TEST...
# Prints the output of a program only when it failed, or always with V=1. Last line: N passed, N failed, N skipped.
build=$1
shift
limit_s=900 # for one program: a hang is a failure

# Each program's output goes to TEST.log, its exit status to TEST.status. A fuzz target replays its corpus.
printf '%s\n' "$@" | PROCSPAN_BINARY=$build/procspan xargs -P"$(nproc)" -I{} sh -c '
	case $1 in
	*/tests/fuzz_*) timeout '$limit_s' "$1" "tests/corpus/${1##*/fuzz_}" >"$1.log" 2>&1 ;;
	*) timeout '$limit_s' "$1" >"$1.log" 2>&1 ;;
	esac
	echo $? >"$1.status"' run {}

passed=0
failed=0
skipped=0
for test in "$@"; do
	log=$test.log
	status=$(cat "$test.status")
	ok=$(grep -c '^\[       OK \]' "$log")
	bad=$(grep -c '^\[  FAILED  \] [a-z]' "$log")
	skip=$(grep -c '^\[  SKIPPED \] [a-z]' "$log")
	# cmocka lists each failure (and each skip) twice: at the test and in the summary.
	bad=$(((bad + 1) / 2))
	skip=$(((skip + 1) / 2))
	[ "$status" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
	passed=$((passed + ok))
	failed=$((failed + bad))
	skipped=$((skipped + skip))
	if [ "$bad" -ne 0 ] || [ -n "$V" ]; then
		cat "$log"
		[ "$bad" -eq 0 ] || echo "  FAIL $test (exit $status)"
	fi
	grep -h 'skipped:' "$log" | sed "s|^|  ${test##*/}: |" | sort -u
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
