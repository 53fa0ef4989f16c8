#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The picture of docs/trace.md, drawn anew: two paths, the faster of which falls silent for three seconds and comes back.
#
#     script/lab run --path rate=40M,delay=10ms --path rate=12M,delay=35ms docs/pictures/trace.sh > docs/pictures/trace.svg
set -eu

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
export HOME="$there"
name=$("$HAWSER" identity --name-only "$there/id")
mkdir "$there/files"
for i in $(seq 600); do head -c 60000 /dev/urandom >"$there/files/$i"; done

server "$HAWSER" listen --identity "$there/id" --discard --trust any 0.0.0.0:4433 >"$there/log" 2>&1 &
listener=$!
while ! grep -q listening "$there/log"; do sleep 0.1; done # it has no other way to say so to a script
(sleep 2.5 && path 0 blackhole && sleep 3 && path 0 restore) &
client "$HAWSER" send --paths all --policy aggregate --trust "key=$name" --trace "$there/trace" 10.0.0.2:4433 \
    "$there/files" >&2 2>"$there/sent"
kill "$listener" 2>/dev/null || true
"$HAWSER" plot "$there/trace" --title 'Two paths; the faster one falls silent for three seconds'
