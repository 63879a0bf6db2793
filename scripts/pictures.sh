#!/usr/bin/env bash
# Makes the pictures of the README again: docs/images/{page,probe,overview,target}.png.
#   page, probe        the exporter's own page, in Chromium
#   overview, target   the panels of dashboards/*.json with what a real Prometheus answered to their queries. There is no
#                      Grafana in it: the panels are drawn by Grafana's components from npm (@grafana/ui 10.4), but
#                      state-timeline and piechart, which npm does not have, by scripts/pictures/panels.tsx.
# The servers are scripted (scripts/pictures/servers.py), in a network of their own. Needs root, Debian's
# chromium, prometheus, openssl, iproute2 and pngquant, and node 18 or later with npm.
# Usage: scripts/pictures.sh [SECONDS]     how long Prometheus scrapes; 360
#        scripts/pictures.sh draw          the dashboards alone, as they are now, with the answers of the last time
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-360}" in
  draw) what=(draw) seconds=0 ;;
  *) what=() seconds=${1:-360} ;;
esac

for tool in node npm chromium prometheus openssl ip pngquant; do
  command -v "$tool" >/dev/null || { echo "pictures.sh: not installed: $tool" >&2; exit 1; }
done
cmake --preset release >/dev/null
cmake --build --preset release --target smtp_probe_exporter smtp_fake_server

drawn=build/pictures
mkdir -p "$drawn/out/public"
cp scripts/pictures/{package.json,frames.ts,panels.tsx,panels.html} "$drawn/"
(
  cd "$drawn"
  npm install --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error
  npx --no-install esbuild panels.tsx --bundle --splitting --minify --format=esm --outdir=out --jsx=automatic \
    --loader:.woff=file --loader:.woff2=file --define:global=window '--define:process.env.NODE_ENV="production"' \
    --log-level=error
  cp panels.html out/
  cp -r node_modules/@grafana/ui/dist/public/img out/public/  # the icons
)
EXPORTER=$PWD/build/release/exporter/smtp_probe_exporter SMTP_FAKE_SERVER=$PWD/build/release/tests/smtp_fake_server \
  CHECK='' PANELS=$drawn/out SECONDS_OF_STORY=$seconds python3 -B scripts/pictures/pictures.py "${what[@]}"
