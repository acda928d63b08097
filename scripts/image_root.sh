#!/usr/bin/env bash
# Assembles the files of the container image: the binary, the libraries that it loads, and a user without rights. No shell,
# no package manager, nothing that is not needed: `image_root.sh BINARY FOLDER`.
set -euo pipefail
binary=$1 root=$2
install -d "$root/usr/local/bin" "$root/etc" "$root/data" "$root/tmp"
install -m 755 "$binary" "$root/usr/local/bin/pricetime"
# Line tables are most of the file; function names stay, for backtraces.
strip --strip-debug "$root/usr/local/bin/pricetime"
# The libraries with their paths, the loader among them.
ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
    install -D -m 755 "$library" "$root$library"
done
echo 'pricetime:x:65532:65532::/data:/nonexistent' >"$root/etc/passwd"
echo 'pricetime:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
chown 65532:65532 "$root/data"
chmod 1777 "$root/tmp"
