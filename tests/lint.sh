#!/bin/sh
# Format, the direction of includes (base <- event <- packet, input; rules needs base and event;
# correlator needs all) and clang-tidy. Usage:
#	lint.sh            everything
#	lint.sh quick      without clang-tidy
#	lint.sh FILE...    clang-tidy on these files only
[ -n "$V" ] && set -x

# One file: clang-tidy takes names before the "--" only, and several at once share one exit code.
if [ "$1" = --one ]; then
	case $2 in
	*.cc) standard=gnu++17 ;;
	*) standard=gnu17 ;;
	esac
	if ! said=$(clang-tidy --quiet "$2" -- -std=$standard -D_GNU_SOURCE -I. \
		-DPROCSPAN_VERSION='"lint"' 2>&1); then
		echo "$said" | grep -vE '^[0-9]+ warnings? (generated|treated)'
		echo "  FAIL clang-tidy $2"
		exit 1
	fi
	exit 0
fi

tidy() {
	printf '%s\n' "$@" | xargs -P"$(nproc)" -n1 "$0" --one
}

case $1 in
'' | quick) ;;
*)
	tidy "$@"
	exit
	;;
esac

status=0
sources=$(git ls-files '*.c' '*.h' '*.cc')

unformatted=$(clang-format --dry-run -Werror $sources 2>&1 | grep 'error:' | cut -d: -f1 | sort -u)
if [ -n "$unformatted" ]; then
	echo "$unformatted" | sed 's/^/not formatted, run make format: /'
	status=1
fi

# forbid FOLDER-REGEX INCLUDE-REGEX: no file whose path matches the first may include the second.
forbid() {
	found=$(printf '%s\n' $sources | grep -E "$1" | xargs -r grep -HnE "^#include \"($2)")
	[ -z "$found" ] && return
	echo "$found" | sed 's/^/include against the arrows: /'
	status=1
}
forbid '^collector/base/' '(collector/(community_id|event|field|flow|packet|input)|rules|correlator|bpf)'
forbid '^collector/[a-z_]*\.[ch]$' '(collector/(packet|input)|rules|correlator|bpf)'
forbid '^collector/packet/' '(collector/input|rules|correlator)'
forbid '^collector/input/' '(collector/packet|rules|correlator|bpf)'
forbid '^rules/' '(collector/(packet|input)|correlator|bpf)'
forbid '^bpf/' '(collector/input|rules|correlator)'
forbid '^(bpf|collector|correlator|rules)/' 'tests'

# The kernel's half is compiled by its own rules.
[ "$1" = quick ] || tidy $(printf '%s\n' $sources | grep -E '\.c$' | grep -v '\.bpf\.c$') || status=1
[ "$status" -eq 0 ] && echo "lint: clean"
exit $status
