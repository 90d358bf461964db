#!/bin/sh
# What the documentation says about conversations holds: its first example can be played, and every script
# that a page names is there. check_readme.sh CONVERSE
set -eu
converse=$1
cd "$(dirname "$0")/../.."
example=$(mktemp --suffix=.talk)
trap 'rm -f "$example"' EXIT
awk '/^```/ { if (inside) exit; inside = 1; next } inside' tests/scenario/README.md >"$example"
grep -q '^client' "$example"
"$converse" "$example"
missing=0
for name in $(grep -oh 'scripts/[a-z_0-9]*\.talk' docs/*.md tests/scenario/README.md | sort -u); do
    if [ ! -f "tests/scenario/$name" ]; then
        echo "the documentation names $name, which is not there"
        missing=1
    fi
done
exit $missing
