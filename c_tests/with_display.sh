#!/bin/sh
# Runs a command on a display of its own, without a screen.
set -u

usage() {
    cat <<'TEXT'
usage: with_display.sh [--help] COMMAND...

Starts Xvfb on a free display, runs COMMAND with DISPLAY set to it, and ends Xvfb. Exits as COMMAND does; with 77, and the
reason, where Xvfb is not installed (Debian: xvfb).
TEXT
}

case "${1:-}" in
--help | -h) usage && exit ;;
'' | -*) usage >&2 && exit 2 ;;
esac

command -v Xvfb >/dev/null || {
    echo "skipped: Xvfb is not installed (Debian: xvfb)"
    exit 77
}
work=$(mktemp -d)
# It writes its number to descriptor 3 once clients may come.
Xvfb -displayfd 3 -screen 0 640x480x24 -nolisten tcp 3>"$work/number" 2>"$work/log" &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$work"' EXIT
until [ -s "$work/number" ]; do
    kill -0 "$server" 2>/dev/null || {
        cat "$work/log" >&2
        exit 1
    }
    sleep 0.05
done
DISPLAY=:$(cat "$work/number") "$@"
