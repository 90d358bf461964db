#!/bin/sh
# What a user of the library gets: installs it into a folder of its own, compiles the header as C and
# C++, builds the documentation's program and the example against it through pkg-config, shared and
# static, starts them, and looks at the symbols.
#
#     installed.sh SOURCE_DIR BUILD_DIR CC "SANITIZER FLAGS"
set -eu

source=$1 build=$2 cc=$3 flags=${4:-}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
    echo "installed.sh: $*" >&2
    exit 1
}

cmake --install "$build" --prefix "$folder/prefix" --component client >install.log || fail "install"
PKG_CONFIG_PATH=$(dirname "$(find "$folder/prefix" -name slipgate.pc)")
export PKG_CONFIG_PATH
library=$(dirname "$PKG_CONFIG_PATH")
compile=$(pkg-config --cflags slipgate)
link=$(pkg-config --libs slipgate)

echo '#include <slipgate/slipgate.h>' >header.c
cp header.c header.cc
# shellcheck disable=SC2086 # words on purpose, here and below
for standard in c99 c11 c17; do
    $cc -std=$standard -pedantic-errors -Wall -Wextra -Werror $compile -fsyntax-only header.c ||
        fail "the header is not $standard"
done
found=
for cxx in g++ clang++; do
    command -v $cxx >/dev/null || continue
    found=$cxx
    for standard in c++11 c++17; do
        # shellcheck disable=SC2086
        $cxx -std=$standard -pedantic-errors -Wall -Wextra -Werror $compile -fsyntax-only header.cc ||
            fail "the header is not $standard for $cxx"
    done
done
[ -n "$found" ] || fail "no C++ compiler"

awk '/^<!-- program -->/ { wanted = 1 }
     /^```$/ { if (inside) exit }
     inside { print }
     wanted && /^```c$/ { inside = 1 }' "$source/docs/client-library.md" >program.c
cp "$source/client/examples/watch.c" watch.c
for program in program watch; do
    # shellcheck disable=SC2086
    $cc -std=c99 -pedantic -Wall -Wextra -Werror $flags $compile $program.c -o $program-shared $link -lm ||
        fail "$program does not build with the shared library"
    # shellcheck disable=SC2086
    $cc -std=c99 -pedantic -Wall -Wextra -Werror $flags $compile $program.c -o $program-static \
        "$library/libslipgate.a" -lssl -lcrypto -lz -lm ||
        fail "$program does not build with the static library"
    for kind in shared static; do
        code=0
        LD_LIBRARY_PATH=$library ./$program-$kind >/dev/null 2>&1 || code=$?
        [ $code -eq 2 ] || fail "$program-$kind without arguments ends with $code, not 2"
    done
done

shown() {
    awk 'NF == 3 && $2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort
}
nm -D --defined-only "$library/libslipgate.so" | shown >shared.txt
nm -g --defined-only "$library/libslipgate.a" | shown >static.txt
grep -v '^slipgate_' shared.txt && fail "the shared library shows more than slipgate_*"
grep -v -e '^slipgate_' -e '^__' static.txt && fail "the static library shows more than slipgate_*"
grep -v '^static inline' prefix/include/slipgate/slipgate.h | grep -o 'slipgate_[a-z_]*(' | tr -d '(' | sort -u >header.txt
comm -23 header.txt shared.txt | grep . && fail "declared and not in the shared library"
comm -23 header.txt static.txt | grep . && fail "declared and not in the static library"
readelf -d "$library/libslipgate.so" | grep -q 'SONAME.*libslipgate\.so\.[0-9]' || fail "no soname"
echo "installed.sh: all as expected"
