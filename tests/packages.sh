#!/bin/sh
# Installs the named Debian packages that are missing; without the right to, says what to run.
missing=
for package in "$@"; do
	dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed' ||
		missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" -eq 0 ]; then
	run=
elif sudo -n true 2>/dev/null; then
	run=sudo
else
	echo "Missing packages:$missing" >&2
	echo "Run this as root (or put sudo before each apt-get), then make again:" >&2
	echo "  apt-get update && apt-get install -y --no-install-recommends$missing" >&2
	exit 1
fi
echo "installing:$missing"
$run apt-get update -qq &&
	$run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
	{ echo "could not install:$missing" >&2; exit 1; }
