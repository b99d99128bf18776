#!/bin/sh
# Installs PhenoPolicy from this folder alone; asks no network and needs no rights beyond those on the folder it fills.
#   sh install.sh FOLDER          (a new folder, as /opt/phenopolicy/0.1.0; PYTHON=/path/to/python chooses another one)
set -eu

fail() {
  echo "install.sh: $1" >&2
  exit 2
}

[ "$#" = 1 ] || fail "give one folder that does not exist yet: sh install.sh FOLDER"
target=$1
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=${PYTHON:-python3}
[ ! -e "$target" ] || fail "$target is there already; give a new folder (data are kept elsewhere, see docs/deploy.md)"

tag="import sys, sysconfig; print('cp%d%d-%s' % (*sys.version_info[:2], sysconfig.get_platform()))"
wanted=$(cat "$here/PYTHON")
found=$("$python" -c "$tag") || fail "$python does not start; name a Python in the variable PYTHON"
[ "$found" = "$wanted" ] || fail "this bundle is for $wanted, and $python is $found; name a fitting one in the variable PYTHON"

# The list is part of the bundle: it finds damage. Against forgery, compare the SHA-256 of the bundle's own file.
(cd "$here" && sha256sum --check --strict --quiet SHA256SUMS) || fail "the bundle is damaged; copy it anew"

"$python" -m venv "$target" || fail "the virtual environment could not be made (on Debian: install python3-venv)"
# Settings of this machine's pip do not count: no index, no other folder.
PIP_CONFIG_FILE=/dev/null "$target/bin/python" -m pip --isolated --disable-pip-version-check install --quiet \
  --no-index --no-cache-dir --find-links "$here/wheels" --require-hashes --requirement "$here/requirements.lock" ||
  { rm -rf -- "$target"; fail "pip refused, as it says above; nothing was installed"; }
echo "Installed. Start it with: $target/bin/phenopolicy app"
