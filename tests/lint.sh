#!/bin/sh
# Format, clang-tidy, and the direction of includes (docs: base <- event <- packet, input; rules needs
# base and event; correlator needs all).
status=0
sources=$(git ls-files '*.c' '*.h' | grep -v '^bpf/.*\.bpf\.c$')

clang-format --dry-run -Werror $sources || status=1

# forbid FOLDER-REGEX INCLUDE-REGEX: no file whose path matches the first may include the second.
forbid() {
	found=$(printf '%s\n' $sources | grep -E "$1" | xargs -r grep -nE "^#include \"($2)") || return 0
	echo "$found" | sed 's/^/include against the arrows: /'
	status=1
}
forbid '^collector/base/' '(collector/(event|field|flow|packet|input)|rules|correlator|bpf)'
forbid '^collector/[a-z_]*\.[ch]$' '(collector/(packet|input)|rules|correlator|bpf)'
forbid '^collector/packet/' '(collector/input|rules|correlator)'
forbid '^collector/input/' '(collector/packet|rules|correlator|bpf)'
forbid '^rules/' '(collector/(packet|input)|correlator|bpf)'
forbid '^bpf/' '(collector/input|rules|correlator)'

if [ "$1" != quick ]; then
	make -s FLAVOUR=release all >/dev/null
	printf '%s\n' $sources | grep '\.c$' |
		xargs -P"$(nproc)" -n1 clang-tidy --quiet -- -std=gnu17 -D_GNU_SOURCE -I. -Ibuild/release \
		-DPROCSPAN_VERSION='""' 2>/dev/null || status=1
fi
exit $status
