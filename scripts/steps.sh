# Sourced by the drivers (scripts/test, scripts/lint): runs named steps one after the other, goes on where one fails, and
# ends with a table of them, each with its time and its runner's own closing lines.
# shellcheck shell=bash
: "${top:?the repository root}"
unset CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR CARGO_BUILD_TARGET # what cargo builds is looked for in target/

# What the runners in use close with (cargo test, CTest with what failed, Unity, pytest, mypy, ruff, Sphinx).
closing_lines='^test result: |% tests passed, |^=+ .*(passed|failed|error).* in .*=+$|^Success: |^Found [0-9]+ error'
closing_lines+='|^structure: |^[0-9]+ Tests 0 Failures|^\s+[0-9]+ - \S+ \(|^All checks passed|^build succeeded|^ok: '

# begin_steps TITLE: `TITLE.summary` and one log a step go to target/log.
begin_steps() {
    steps_title=$1 steps_failed=() steps_from=$SECONDS
    steps_log=$top/target/log
    mkdir -p "$steps_log"
    steps_summary=$steps_log/$steps_title.summary
    : >"$steps_summary"
}

# step NAME COMMAND...
step() {
    local name=$1 from=$SECONDS rc=0 log=$steps_log/$steps_title-$1.log
    shift
    printf '\n== %s: %s\n' "$steps_title" "$name"
    # A subshell of its own, so that `set -e` holds inside of the step though the step's failure is looked at here.
    set +e
    (
        set -e
        "$@"
    ) </dev/null 2>&1 | tee "$log"
    rc=${PIPESTATUS[0]}
    set -e
    local verdict=ok
    if [ "$rc" -ne 0 ]; then
        verdict="FAILED ($rc)" steps_failed+=("$name")
    fi
    {
        printf '%-28s %4d s  %s\n' "$name" $((SECONDS - from)) "$verdict"
        sed 's/\x1b\[[0-9;]*m//g' "$log" | grep -E "$closing_lines" | sed 's/^/    /' || true
    } >>"$steps_summary"
}

# Prints the table; its status is the run's.
end_steps() {
    {
        if [ ${#steps_failed[@]} -eq 0 ]; then
            echo "$steps_title: all steps passed in $((SECONDS - steps_from)) s"
        else
            echo "$steps_title: FAILED after $((SECONDS - steps_from)) s: ${steps_failed[*]} (logs in target/log)"
        fi
    } >>"$steps_summary"
    printf '\n== %s: summary\n' "$steps_title"
    cat "$steps_summary"
    [ ${#steps_failed[@]} -eq 0 ]
}
