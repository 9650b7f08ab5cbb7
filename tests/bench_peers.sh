#!/bin/bash
# Other programs beside procspan on the captures that `procspan bench` makes: processor time of the
# whole program, per packet, and its ratio to the floor (the prefetched walk over the record headers)
# of the same run. Peers that are not installed are named with their Debian package. Everything is
# written below one temporary directory, which goes when this ends.
#
# Usage: bench_peers.sh PROCSPAN
procspan=${1:-./procspan}
limit_seconds=20      # for one program on one capture
tshark_packets=50000  # it is a dissector, some hundred times slower than the rest
columns='%-12s %-34s %10s %10s %9s\n'

# Not below /dev/shm: softflowd waits for its file to become readable, which a tmpfs need not say.
directory=$(mktemp -d "${TMPDIR:-/tmp}/procspan-peers.XXXXXX") || exit 1
trap 'rm -rf "$directory"' EXIT
trap 'exit 130' INT TERM

# row CAPTURE WHO NANOSECONDS FLOOR
row() {
	awk -v capture="$1" -v who="$2" -v ns="$3" -v floor="$4" 'BEGIN {
		printf "%-12s %-34s %10.3f %10.1f %9.1f\n", capture, who, 1000 / ns, ns, ns / floor }'
}

# figure CAPTURE STAGE: nanoseconds of a row that procspan measured
figure() {
	sed -n "s/.*\"input\":\"$1\",\"stage\":\"$2\".*\"ns\":\([0-9.e+-]*\).*/\1/p" "$directory/rows" |
		head -n 1
}

# peer CAPTURE PACKETS NAME PROGRAM PACKAGE WORD...: times it, if it is there
peer() {
	local capture=$1 packets=$2 name=$3 program=$4 package=$5 times status
	shift 5
	if ! command -v "$program" >/dev/null; then
		missing="$missing $package"
		return
	fi
	TIMEFORMAT='%U %S'
	times=$({ time timeout "$limit_seconds" "$program" "$@" >/dev/null 2>&1 </dev/null; } 2>&1)
	status=$?
	if [ $status -eq 124 ]; then
		printf "$columns" "$capture" "$name" "" "" "over ${limit_seconds} s"
	elif [ $status -ne 0 ]; then
		printf "$columns" "$capture" "$name" "" "" "exit $status"
	else
		row "$capture" "$name" "$(echo "$times $packets" |
			awk '{ print ($1 + $2 + 0.0005) * 1e9 / $3 }')" "$(figure "$capture" "$floor_stage")"
	fi
}

floor_stage='floor: record walk, prefetched'
echo "measuring procspan and the floor ..." >&2
"$procspan" bench packets --seconds 6 --json >"$directory/rows" || exit 1
"$procspan" bench --write "$directory" >"$directory/captures" || exit 1

missing=
printf "$columns" capture program "M packets/s" "ns/packet" "x floor"
while read -r capture packets _; do
	file=$directory/$capture.pcap
	few=$((packets < tshark_packets ? packets : tshark_packets))
	for stage in "$floor_stage" 'libpcap, empty callback' 'decode and flow table' \
		'read, decode, new flow table'; do
		ns=$(figure "$capture" "$stage")
		[ -n "$ns" ] && row "$capture" "$stage" "$ns" "$(figure "$capture" "$floor_stage")"
	done
	peer "$capture" "$packets" "procspan replay" "$procspan" procspan \
		replay --quiet --pcap "$file" --output "file:$directory/alerts" --max-flows 2000000
	mkdir -p "$directory/flows"
	peer "$capture" "$packets" "tcpdump, copying" tcpdump tcpdump -r "$file" -w /dev/null
	peer "$capture" "$packets" nfpcapd nfpcapd nfdump -r "$file" -w "$directory/flows"
	peer "$capture" "$packets" softflowd softflowd softflowd -d -m 2000000 -r "$file" \
		-p "$directory/softflowd.pid" -c "$directory/softflowd.socket"
	peer "$capture" "$packets" ndpiReader ndpiReader libndpi-bin -q -i "$file"
	peer "$capture" "$few" "tshark, $few packets" tshark tshark -n -q -c "$few" -r "$file"
	rm -rf "$file" "$directory/flows"
done <"$directory/captures"

if [ -n "$missing" ]; then
	packages=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')
	echo "not installed: $packages- run: sudo apt-get install -y --no-install-recommends $packages"
fi
