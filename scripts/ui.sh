#!/usr/bin/env bash
# Builds the pages into ui/dist, from where the binary embeds them, and puts the ReDoc page's one script beside them. The
# script would fetch its maker's logo from another host; an empty image stands in for it, and the text beside it still
# names the maker.
set -euo pipefail
cd "$(dirname "$0")/.."

cmp -s ui/package-lock.json ui/node_modules/installed.json || npm --prefix ui ci --no-progress --loglevel=error
npm --prefix ui run --silent build
package=ui/node_modules/redoc
cp "$package/LICENSE" ui/dist/redoc.LICENSE.txt
cp "$package/bundles/redoc.standalone.js.LICENSE.txt" ui/dist/
sed 's|https://cdn.redoc.ly/redoc/logo-mini.svg|data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=|g' \
    "$package/bundles/redoc.standalone.js" >ui/dist/redoc.standalone.js
if grep -q 'cdn\.redoc\.ly' ui/dist/redoc.standalone.js; then
    echo "ui: the ReDoc script still names a host to fetch from" >&2
    exit 1
fi
node ui/scripts/licences.js
node ui/scripts/compress.js
cp ui/package-lock.json ui/node_modules/installed.json
