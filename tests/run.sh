#!/bin/sh
# Runs test programs one after the other and adds up what cmocka says. Usage: run.sh BUILD TEST...
# Prints the output of a program only when it failed, or always with V=1. Last line: N passed, N failed.
build=$1
shift
passed=0
failed=0
skipped=0
for test in "$@"; do
	log=$test.log
	case $test in
	*/tests/fuzz_*) "$test" "tests/corpus/${test##*/fuzz_}" >"$log" 2>&1 ;;
	*) PROCSPAN_BINARY=$build/procspan "$test" >"$log" 2>&1 ;;
	esac
	status=$?
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
		echo "  FAIL $test (exit $status)"
	fi
	grep -h 'skipped:' "$log" | sed "s|^|  ${test##*/}: |" | sort -u
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
