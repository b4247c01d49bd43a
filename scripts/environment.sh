# shellcheck shell=bash
# Sourced by the scripts beside it, which run in the root of the repository: a private environment
# in .venv, made once, and installed into again only when pyproject.toml or the folder changed.

die() {
    echo "$1" >&2
    exit 1
}

# prepare NAME WHAT: have WHAT (a pip requirement such as ".[test]") in .venv; NAME keeps the stamp.
prepare() {
    local stamp=".venv/.installed-$1" now
    now="$PWD $(cksum <pyproject.toml)"
    if [[ -f $stamp && $(<"$stamp") == "$now" ]]; then
        return
    fi
    if ! .venv/bin/pip --version >/dev/null 2>&1; then # none, half made, or moved here
        make_environment
    fi
    echo "Installing chargepoint and what it needs into .venv (once; takes about a minute) ..." >&2
    .venv/bin/pip install --quiet --disable-pip-version-check --no-input --progress-bar off \
        --editable "$2" </dev/null
    echo "$now" >"$stamp"
}

make_environment() {
    local python candidate
    python=""
    for candidate in python3.13 python3.12 python3.11 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            python=$candidate
            # Debian ships venv as a package of its own; another Python here may have it.
            "$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1 && break
        fi
    done
    [[ -n $python ]] || die "Python 3.11 or newer is needed; on Debian and Ubuntu: apt install python3 python3-venv"
    "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 ||
        die "$python has no venv module; on Debian and Ubuntu: apt install $(basename "$python")-venv"
    echo "Making a private Python environment in .venv with $python ..." >&2
    "$python" -m venv --clear .venv </dev/null
}
