#!/usr/bin/env bash
# Makes a file for each secret of deploy/compose.secrets.yml in ./secrets; what is there already stays. Readable by all who
# may enter the folder, since the service's user in its container is another one; nobody else may enter it.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 077
mkdir -p secrets
for name in postgres_password secret_key admin_token; do
    if [ ! -s "secrets/$name" ]; then
        od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"secrets/$name"
        chmod 644 "secrets/$name"
        echo "secrets/$name"
    fi
done
