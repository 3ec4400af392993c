#!/bin/sh
# Copy Rebloom's database, while it runs, to FOLDER; the name of the copy is printed. Nothing else is in it: keep
# REBLOOM_ENCRYPTION_KEYS (with SQLite the .key file beside the database) elsewhere, without them the copy opens to nobody.
set -eu
folder=${1:?usage: backup.sh FOLDER}
url=${REBLOOM_DATABASE_URL:-sqlite:///rebloom.sqlite3}
umask 077
mkdir -p "$folder"
name=$folder/rebloom-$(date -u +%Y%m%dT%H%M%SZ)

# SQLite's own way of copying a file that is being written to.
copy='
import sqlite3, sys
source, target = (sqlite3.connect(path) for path in sys.argv[1:])
source.backup(target)
target.execute("PRAGMA journal_mode=DELETE")
assert target.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "the copy is damaged"
'
case $url in
sqlite:*)
    path=${url#sqlite:///}
    path=${path%%\?*}
    [ -f "$path" ] || { echo "there is no database $path" >&2; exit 1; }
    jobs=${path%.*}-jobs.${path##*.}
    # The queue first: what the ledger's copy has beyond it is found again by the next minute's look.
    [ ! -f "$jobs" ] || ${PYTHON:-python3} -c "$copy" "$jobs" "$name-jobs.sqlite3"
    ${PYTHON:-python3} -c "$copy" "$path" "$name.sqlite3"
    echo "$name.sqlite3"
    ;;
*)
    pg_dump --format=custom --no-owner --file="$name.dump" "$url"  # one snapshot, the queue's tables included
    echo "$name.dump"
    ;;
esac
