#!/usr/bin/env bash
# Puts the ReDoc page's one script where the binary embeds it from. The script would fetch its maker's logo from another
# host; an empty image stands in for it, and the text beside it still names the maker.
set -euo pipefail
cd "$(dirname "$0")/.."

npm --prefix ui ci --no-progress --loglevel=error
package=ui/node_modules/redoc
mkdir -p ui/dist
cp "$package/LICENSE" ui/dist/redoc.LICENSE.txt
cp "$package/bundles/redoc.standalone.js.LICENSE.txt" ui/dist/
sed 's|https://cdn.redoc.ly/redoc/logo-mini.svg|data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=|g' \
    "$package/bundles/redoc.standalone.js" >ui/dist/redoc.standalone.js
if grep -q 'cdn\.redoc\.ly' ui/dist/redoc.standalone.js; then
    echo "ui: the ReDoc script still names a host to fetch from" >&2
    exit 1
fi
cp ui/package-lock.json ui/node_modules/installed.json
