#!/bin/sh
# What must not compile, does not, and for the reason that its first line gives.
set -u

usage() {
    cat <<'TEXT'
usage: check_negative.sh [--help] [COMPILER...]

Compiles each file of negative/ with each COMPILER (default: $CXX, else c++).
A file whose first line is `// error: REGEX` must be refused with a message that matches, as C++17; one that begins with
`// compiles` must compile, as C++17 and as C++20. `// flags: ...` on the second line adds flags.

environment: CXX; BACKBUF_INCLUDE, the folder of backbuf.h (default: the repository's include/)
TEXT
}

case "${1:-}" in
--help | -h)
    usage
    exit 0
    ;;
-*)
    echo "check_negative.sh: unknown option '$1': see --help" >&2
    exit 2
    ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
include=${BACKBUF_INCLUDE:-$here/../../include}
[ $# -gt 0 ] || set -- "${CXX:-c++}"

[ -f "$include/backbuf.h" ] || {
    echo "check_negative.sh: no backbuf.h in '$include': set BACKBUF_INCLUDE" >&2
    exit 2
}

failed=0
checked=0
fail() {
    failed=$((failed + 1))
    echo "FAIL $1: $2" >&2
}

for compiler in "$@"; do
    for file in "$here"/negative/*.cpp; do
        first=$(sed -n 1p "$file")
        flags=$(sed -n '2s|^// flags: ||p' "$file")
        standards=c++17
        case $first in '// compiles'*) standards='c++17 c++20' ;; esac
        for standard in $standards; do
            name="$(basename "$file") ($compiler, $standard)"
            checked=$((checked + 1))
            # shellcheck disable=SC2086 # flags are words
            messages=$(LC_ALL=C "$compiler" -std=$standard $flags -Wall -Wextra -Wno-unused -Wunused-result -Werror \
                -fsyntax-only -I "$include" "$file" 2>&1)
            status=$?
            case $first in
            '// compiles'*)
                [ $status -eq 0 ] || fail "$name" "must compile, and does not:
$messages"
                ;;
            '// error: '*)
                wanted=${first#// error: }
                if [ $status -eq 0 ]; then
                    fail "$name" "must not compile, and does"
                elif ! printf '%s\n' "$messages" | grep -Eq "error: .*($wanted)"; then
                    fail "$name" "is refused, but not with '$wanted':
$messages"
                fi
                ;;
            *) fail "$name" "its first line says neither '// error: REGEX' nor '// compiles'" ;;
            esac
        done
    done
done

echo "$checked compiles checked, $failed wrong"
[ "$checked" -gt 0 ] && [ "$failed" -eq 0 ]
