#!/bin/sh
# Bring the database to the version of Rebloom that is installed: a copy first, then the migrations, then a look at
# everything. Stop the old processes before. To go back: restore.sh with the copy, and the old version.
set -eu
folder=${1:?usage: upgrade.sh FOLDER-FOR-THE-COPY}
echo "copy: $("$(dirname "$0")/backup.sh" "$folder")"
${REBLOOM:-rebloom} migrate
${REBLOOM:-rebloom} doctor
