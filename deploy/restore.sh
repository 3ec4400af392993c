#!/bin/sh
# Put a copy that backup.sh made into an empty database, that of REBLOOM_DATABASE_URL. Stop Rebloom first. What is there
# is never overwritten.
set -eu
copy=${1:?usage: restore.sh COPY}
url=${REBLOOM_DATABASE_URL:-sqlite:///rebloom.sqlite3}
umask 077
[ -f "$copy" ] || { echo "there is no copy $copy" >&2; exit 1; }
case $url in
sqlite:*)
    path=${url#sqlite:///}
    path=${path%%\?*}
    jobs=${path%.*}-jobs.${path##*.}
    for there in "$path" "$path-wal" "$jobs" "$jobs-wal"; do
        [ ! -e "$there" ] || { echo "$there is there; move it away first" >&2; exit 1; }
    done
    mkdir -p "$(dirname "$path")"
    [ ! -f "${copy%.sqlite3}-jobs.sqlite3" ] || cp "${copy%.sqlite3}-jobs.sqlite3" "$jobs"
    cp "$copy" "$path.restoring"
    mv "$path.restoring" "$path"
    ;;
*)
    tables=$(psql -XAt -c "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')" "$url")
    [ "$tables" = 0 ] || { echo "the database has $tables tables; create an empty one and name it in REBLOOM_DATABASE_URL" >&2; exit 1; }
    pg_restore --exit-on-error --single-transaction --no-owner --dbname="$url" "$copy"
    ;;
esac
echo "restored; now run: rebloom migrate && rebloom doctor"
