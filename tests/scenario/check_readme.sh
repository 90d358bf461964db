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
missing=$(grep -oh 'scripts/[a-z_0-9]*\.talk' docs/*.md tests/scenario/README.md | sort -u |
    while read -r name; do
        [ -f "tests/scenario/$name" ] || echo "$name"
    done)
if [ -n "$missing" ]; then
    echo "the documentation names what is not there: $missing"
    exit 1
fi
