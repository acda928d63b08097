#!/usr/bin/env bash
# Writes what the service is made of into target/sbom, as CycloneDX: its crates, and the packages of its pages.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=$(scripts/cargo_tool.sh cargo-cyclonedx 0.5.9)
mkdir -p target/sbom
"$tool" cyclonedx --quiet --format json --spec-version 1.5 --override-filename sbom-of-this-crate
mv sbom-of-this-crate.json target/sbom/pricetime.cdx.json
# It writes one for each crate of the workspace; the service's holds them all.
find actors crates -maxdepth 2 -name sbom-of-this-crate.json -delete
(cd ui && npm sbom --package-lock-only --sbom-format cyclonedx --omit dev) >target/sbom/ui.cdx.json
ls -l target/sbom
