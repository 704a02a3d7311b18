# Runs a chromedriver until its owner has gone, and leaves nothing of it. Standard input is a pipe whose only write end is the
# owner's: its end is the one sign to stop, whether the owner is done or was killed.
# usage: sh -c SCRIPT sh FOLDER CHROMEDRIVER ARGUMENT...

trap '' HUP INT TERM
dir=$1
shift
mkdir -m 700 -- "$dir" || exit 1
# No log, cache or download of theirs fills the disk: at most this many blocks of 512 bytes a file.
ulimit -f 1048576

TMPDIR=$dir HOME=$dir "$@" >"$dir/log" 2>&1 </dev/null &
while read -r _; do :; done

# Whatever has the folder as its own: the driver, Chromium, its crash handlers. Their groups hold the processes that
# have overwritten their environment.
ours() {
    grep -lszxF "TMPDIR=$dir" /proc/[0-9]*/environ 2>/dev/null
}
# Whether a member of the killed groups is still dying: it may yet write into the folder. Zombies write nothing.
dying() {
    cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | while read -r state _ group _; do
        case $state$groups in
            Z*) ;;
            *" $group "*) echo yes ;;
        esac
    done
}
groups=' '
rounds=0
while [ "$rounds" -lt 200 ]; do
    left=
    for file in $(ours); do
        pid=${file#/proc/}
        pid=${pid%/environ}
        # The name in brackets may hold anything; the group is the third field after it.
        group=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 3)
        if [ -n "$group" ] && [ "$group" != "$$" ]; then
            kill -s KILL -- "-$group" 2>/dev/null
            groups="$groups$group "
        fi
        kill -s KILL "$pid" 2>/dev/null
        left=yes
    done
    [ -z "$left$(dying)" ] && rm -rf -- "$dir" && exit 0
    rounds=$((rounds + 1))
    sleep 0.05
done
rm -rf -- "$dir"
