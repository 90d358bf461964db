#!/bin/sh
# Installs the Debian 12 packages that are missing: scripts/bootstrap.sh [build|all|soak|cover]
# "build" is what building and running need, "all" (the default) adds tests and checks, "soak" and
# "cover" what only those targets need besides. When nothing is missing it only asks dpkg, which
# takes milliseconds; sudo is asked for only when something is.
set -eu

build='gcc libc6-dev make cmake ninja-build pkg-config
    libuv1-dev libssl-dev libsqlite3-dev libmicrohttpd-dev libinih-dev libcrypt-dev zlib1g-dev
    libpq-dev libhiredis-dev liboath-dev'
all="$build
    git binutils util-linux ccache libcmocka-dev openssl
    python3 python3-pytest python3-pytest-xdist python3-cryptography mono-mcs mono-runtime
    postgresql redis-server oathtool
    clang libclang-rt-14-dev llvm clang-format clang-tidy cppcheck mandoc shellcheck valgrind"

case ${1:-all} in
build) wanted=$build ;;
all) wanted=$all ;;
soak) wanted="$all gnuplot-nox" ;;
cover) wanted="$all gcovr" ;;
*)
    echo "usage: scripts/bootstrap.sh [build|all|soak|cover]" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
    # Not a Debian: the build itself says what it does not find.
    # shellcheck disable=SC2086
    echo "bootstrap: no dpkg here; needed are the equivalents of:" $wanted >&2
    exit 0
fi

# shellcheck disable=SC2086 # words on purpose, here and below
installed=$(dpkg-query -W -f='${binary:Package} ${db:Status-Status}\n' $wanted 2>/dev/null |
    awk '$2 == "installed" { sub(/:.*/, "", $1); print $1 }') || true
missing=
for package in $wanted; do
    case "
$installed
" in
    *"
$package
"*) ;;
    *) missing="$missing $package" ;;
    esac
done
if [ -z "$missing" ]; then
    exit 0
fi

echo "bootstrap: installing$missing"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "bootstrap: not root and no sudo; run as root: apt-get install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
install_missing() {
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o Dpkg::Use-Pty=0 $missing </dev/null
}
# The package lists may be absent or old; fetch them only when the install fails without.
if install_missing >/dev/null 2>&1; then
    exit 0
fi
$as_root apt-get update -q </dev/null
install_missing
