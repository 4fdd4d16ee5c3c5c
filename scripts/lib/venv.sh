# shellcheck shell=bash
# Sourced: set_up makes .venv beside pyproject.toml and installs the project into it, editable.
#
# .venv/minipacs.stamp tells what .venv holds. It is empty while .venv is being changed, so what an
# interrupted run leaves is known, and made anew. Else it has two lines:
#   <ABI tag of its Python> <the path it was made at>      another one: made anew
#   <checksum of pyproject.toml>:<extra that came along>   another one: brought up to date

root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
venv=$root/.venv
stamp=$venv/minipacs.stamp

say() { printf 'minipacs: %s\n' "$*" >&2; }
fail() { say "$@"; exit 2; }

# set_up [EXTRA]: when it returns, .venv holds the project, with that extra. Exits 2 if it cannot.
set_up() {
    local extra=${1:-}
    if is_ready "$extra"; then return; fi
    # The lock is on the folder, so that no lock file is left behind; it ends with the subshell.
    (
        if command -v flock >/dev/null; then
            flock -n 9 || { say "waiting for another set-up of .venv"; flock 9 || true; }
        fi
        if ! is_ready "$extra"; then make_ready "$extra"; fi
    ) 9<"$root"
}

# probe PYTHON: "<ABI tag> <path of the interpreter, outside any venv>"; fails if older than 3.11.
probe() {
    local found
    found=$("$1" -IS -c '
import sys
if sys.version_info >= (3, 11):
    print(sys.implementation.cache_tag, getattr(sys, "_base_executable", sys.executable))
' 2>/dev/null </dev/null) && [[ -n $found ]] && printf '%s\n' "$found"
}

checksum() { cksum <"$root/pyproject.toml"; }

# The line of the stamp that .venv should have; fails if its Python does not run, or is not $PYTHON.
made_line() {
    local found wanted
    found=$(probe "$venv/bin/python") || return 1
    if [[ -n ${PYTHON:-} ]]; then
        wanted=$(probe "$PYTHON") || return 1
        [[ ${found%% *} == "${wanted%% *}" ]] || return 1
    fi
    printf '%s %s\n' "${found%% *}" "$venv"
}

is_ready() {
    local made installed
    [[ -s $stamp ]] || return 1
    { read -r made && read -r installed; } <"$stamp" || return 1
    [[ $installed == "$(checksum):"*"$1" && $made == "$(made_line)" ]]
}

# .venv can be brought up to date in place: made by us and whole, or by the user's own hand.
is_usable() {
    local expected made
    expected=$(made_line) || return 1
    if [[ -e $stamp ]]; then
        read -r made <"$stamp" && [[ $made == "$expected" ]]
    else
        "$venv/bin/python" -I -m pip --version >/dev/null 2>&1
    fi
}

make_ready() {
    local extra=$1 sum output
    sum=$(checksum)
    if is_usable; then
        say "updating .venv"
        : >"$stamp"
    else
        make_venv
    fi
    if ! output=$(cd "$root" && "$venv/bin/python" -I -m pip install --quiet --no-input \
        --disable-pip-version-check --editable ".${extra:+[$extra]}" 2>&1 </dev/null); then
        printf '%s\n' "$output" >&2
        fail "pip could not install the project into $venv"
    fi
    printf '%s\n' "$(made_line)" "$sum:$extra" >"$stamp"
}

make_venv() {
    local python output
    local -a maker
    python=$(find_python)
    if "$python" -I -c 'import ensurepip, venv' 2>/dev/null; then
        maker=("$python" -I -m venv)
    elif command -v virtualenv >/dev/null; then
        maker=(virtualenv --quiet --python "$python")
    else
        fail "$python has no venv module; on Debian and Ubuntu: apt-get install python3-venv"
    fi
    say "setting up .venv (first run only)"
    mkdir -p "$venv"
    : >"$stamp"
    find "$venv" -mindepth 1 -maxdepth 1 ! -name "${stamp##*/}" -exec rm -rf {} +
    if ! output=$("${maker[@]}" "$venv" 2>&1 </dev/null); then
        printf '%s\n' "$output" >&2
        fail "could not make $venv"
    fi
}

# The path of the interpreter to use: $PYTHON, or else the first on PATH that is new enough.
find_python() {
    local candidate found
    local -a candidates=(python3 python3.14 python3.13 python3.12 python3.11)
    if [[ -n ${PYTHON:-} ]]; then candidates=("$PYTHON"); fi
    for candidate in "${candidates[@]}"; do
        if found=$(probe "$candidate"); then
            printf '%s\n' "${found#* }"
            return
        fi
    done
    if [[ -n ${PYTHON:-} ]]; then fail "PYTHON=$PYTHON is not Python 3.11 or newer"; fi
    fail "found no Python 3.11 or newer; install one, or set PYTHON to where it is"
}
