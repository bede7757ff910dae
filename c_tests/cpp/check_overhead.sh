#!/bin/sh
# backbuf.hpp costs nothing over the C call: the machine code says so, no clock is asked.
set -u

usage() {
    cat <<'TEXT'
usage: check_overhead.sh [--help] [COMPILER...]

Compiles overhead.cpp at -O2 with each COMPILER (default: $CXX, else c++) and inspects the machine code:
  same_X_c and same_X_cpp must be the same instructions;
  once_X must call the library exactly once.

environment: CXX; OBJDUMP; BACKBUF_INCLUDE, the folder of backbuf.h (default: the repository's include/)
TEXT
}

case "${1:-}" in
--help | -h)
    usage
    exit 0
    ;;
-*)
    echo "check_overhead.sh: unknown option '$1': see --help" >&2
    exit 2
    ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
include=${BACKBUF_INCLUDE:-$here/../../include}
objdump=${OBJDUMP:-objdump}
[ $# -gt 0 ] || set -- "${CXX:-c++}"
command -v "$objdump" >/dev/null || {
    echo "check_overhead.sh: no objdump: install binutils, or set OBJDUMP" >&2
    exit 2
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
checked=0
fail() {
    failed=$((failed + 1))
    echo "FAIL ($compiler) $1" >&2
}

# The instructions of one function with the symbols they name, without addresses and padding.
body() {
    sed -n "/^[0-9a-f]* <$1>:\$/,/^\$/p" "$work/code" | sed 1d |
        sed -E 's/^[[:space:]]*[0-9a-f]+:[[:space:]]*//; s/[[:space:]]+/ /g; s/<[^>]*>//; s/^(j[a-z]+|call[a-z]*) [0-9a-f]+ ?$/\1 ADDRESS/
                s/#.*//; s/\.L[A-Z]+[0-9_]+/CONSTANT/' |
        grep -vE '^(nop|xchg %ax,%ax|cs nop|data16)|^[[:space:]]*$'
}

for compiler in "$@"; do
    if ! "$compiler" -std=c++17 -O2 -DNDEBUG -fno-asynchronous-unwind-tables -I "$include" -c "$here/overhead.cpp" \
        -o "$work/code.o" 2>"$work/messages"; then
        cat "$work/messages" >&2
        exit 1
    fi
    "$objdump" -dr --no-show-raw-insn -j .text "$work/code.o" >"$work/code"

    # shellcheck disable=SC2013 # names are words
    for name in $(sed -n 's/^[0-9a-f]* <same_\(.*\)_c>:$/\1/p' "$work/code"); do
        checked=$((checked + 1))
        body "same_${name}_c" >"$work/c"
        body "same_${name}_cpp" >"$work/cpp"
        [ -s "$work/c" ] || fail "same_${name}_c: no machine code found"
        diff "$work/c" "$work/cpp" >"$work/difference" || fail "same_$name: C (<) and C++ (>) differ
$(cat "$work/difference")"
    done

    # shellcheck disable=SC2013 # names are words
    for name in $(sed -n 's/^[0-9a-f]* <\(once_.*\)>:$/\1/p' "$work/code" | grep -v 'cold'); do
        checked=$((checked + 1))
        calls=$(body "$name" | sed -nE 's/^R_[A-Z0-9_]+ (bb_[a-z_]+).*/\1/p' | wc -l)
        [ "$calls" -eq 1 ] || fail "$name calls the library $calls times, not once"
    done
done

echo "$checked functions checked, $failed wrong"
[ "$checked" -gt 0 ] && [ "$failed" -eq 0 ]
