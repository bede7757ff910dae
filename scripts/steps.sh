# Sourced by scripts/test, scripts/lint and scripts/soak: runs named steps one after the other, continues after a failed one,
# and prints a table of times and of the test runners' own closing lines.
# shellcheck shell=bash
: "${top:?the repository root}"
unset CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR CARGO_BUILD_TARGET # cargo's output is expected in target/

# Closing lines of the runners (cargo test, CTest with failed tests, Unity, pytest, mypy, ruff, Sphinx).
closing_lines='^test result: |% tests passed, |^=+ .*(passed|failed|error).* in .*=+$|^Success: |^Found [0-9]+ error'
closing_lines+='|^structure: |^[0-9]+ Tests 0 Failures|^\s+[0-9]+ - \S+ \(|^All checks passed|^build succeeded|^ok: '

# begin_steps TITLE: writes target/log/TITLE.summary and one log per step.
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
    # A subshell, so that `set -e` applies inside the step although its status is tested here.
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

# end_steps: prints the table; fails if a step has failed.
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
