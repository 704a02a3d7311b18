# Ends the servers of an owner that died. Standard input is a pipe from the owner; standard output is a lock file that
# stays locked until this script is done.
# usage: sh -c SCRIPT sh POSTGRES_SIGNAL VALKEY_SIGNAL FOLDER_TO_REMOVE...

trap '' HUP INT TERM
postgres_signal=$1 valkey_signal=$2
shift 2

# Each server announces itself with a line "name pid"; the owner takes it back with "name".
postgres= valkey=
while read -r name pid; do
    case $name in
        postgres) postgres=$pid ;;
        valkey) valkey=$pid ;;
        done) exit 0 ;;
    esac
done

# Where process 1 does not reap, an ended server stays as a zombie.
alive() {
    [ -n "$1" ] && kill -0 "$1" 2>/dev/null && ! grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null
}

[ -z "$postgres" ] || kill -s "$postgres_signal" "$postgres" 2>/dev/null
[ -z "$valkey" ] || kill -s "$valkey_signal" "$valkey" 2>/dev/null
ticks=0
while { alive "$postgres" || alive "$valkey"; } && [ "$ticks" -lt 600 ]; do
    sleep 0.05
    ticks=$((ticks + 1))
done
[ -z "$postgres" ] || kill -s KILL "$postgres" 2>/dev/null
[ -z "$valkey" ] || kill -s KILL "$valkey" 2>/dev/null

# A killed server's own children may write for another moment.
ticks=0
until [ "$#" -eq 0 ] || rm -rf -- "$@" || [ "$ticks" -ge 100 ]; do
    sleep 0.05
    ticks=$((ticks + 1))
done
