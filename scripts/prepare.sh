#!/usr/bin/env bash
# Installs what is needed: `prepare.sh run` to build and run the service, `prepare.sh test` for the tests too,
# `prepare.sh packages` only what of the latter comes from the system, as root. Where all is there already, it takes a moment
# and changes nothing.
# The servers that Debian's packages start are never used: tests start their own, on free ports.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "prepare: $*" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null
}

has_postgres() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || has initdb
}

# As ui/tests/browser.js looks for it.
has_browser() {
    [ -x /usr/bin/chromium ] || [ -x /usr/bin/chromium-browser ] || [ -x /usr/bin/google-chrome ]
}

system_packages() {
    local missing=()
    has cc || missing+=(build-essential)
    if [ "$purpose" != run ]; then
        has curl || missing+=(curl)
        has redis-server || missing+=(redis-server)
        has_postgres || missing+=(postgresql)
        has wrk || missing+=(wrk)
        [ -x /usr/sbin/haproxy ] || missing+=(haproxy)
        has valgrind || missing+=(valgrind)
        has_browser || missing+=(chromium)
        compgen -G '/usr/lib*/*/faketime/libfaketimeMT.so.1' >/dev/null || missing+=(libfaketime)
        python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
    fi
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    echo "prepare: installing ${missing[*]}"
    has apt-get || fail "no apt-get here: install what Debian calls ${missing[*]}, then run this again"
    [ "$(id -u)" = 0 ] || fail "not root: run 'sudo apt-get install ${missing[*]}', then this again"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq install --no-install-recommends "${missing[@]}"
}

toolchains() {
    has cargo || fail "cargo is missing: install Rust 1.94 or newer"
    has npm || fail "npm is missing: install Node.js 20.19 or newer with npm"
    # As ui/package.json asks for it.
    node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' ||
        fail "Node.js $(node --version) is too old: install 20.19 or newer"
}

# A changed list of packages gives a new environment, so that nothing stays of the old one.
python_packages() {
    if [ -x .venv/bin/python ] && cmp -s api_tests/requirements.txt .venv/installed.txt; then
        return
    fi
    echo "prepare: installing the Python packages of api_tests into .venv"
    python3 -m venv --clear .venv
    .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement api_tests/requirements.txt
    cp api_tests/requirements.txt .venv/installed.txt
}

# Built again when anything that the pages are made of has changed.
ui_bundle() {
    local sources
    sources=$(find ui/package-lock.json ui/*.html ui/*.js ui/*.json ui/admin ui/public ui/scripts ui/src docs/openapi.json scripts/ui.sh \
        -type f ! -name schema.d.ts -print0 | sort -z | xargs -0 sha256sum)
    if [ -f ui/dist/redoc.standalone.js ] && [ "$sources" = "$(cat ui/node_modules/built.txt 2>/dev/null)" ]; then
        return
    fi
    echo "prepare: building the pages in ui"
    scripts/ui.sh
    echo "$sources" >ui/node_modules/built.txt
}

purpose=${1:-test}
case $purpose in run | test | packages) ;; *) fail "say run, test or packages, not '$purpose'" ;; esac
[ "$purpose" = packages ] || toolchains
system_packages
[ "$purpose" != packages ] || exit 0
[ "$purpose" = run ] || python_packages
ui_bundle
