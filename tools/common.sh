# What tools/demo, tools/check and bench/run share, which source this file and then call
#     prepare "$@"
# After it they run as an ordinary user in a private copy of the sources, below a work directory that
# goes away with them.  The machine's PostgreSQL is read and never written: the extension is installed
# into a copy of its tree, and the server started from there listens on a unix socket only.
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C.UTF-8
umask 022

checkout=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
script=$(realpath --relative-to="$checkout" "$0")
PG_VERSION=${PG_VERSION:-15}
if [ -n "${PG_CONFIG:-}" ]; then
	server_bin=$("$PG_CONFIG" --bindir)
else
	server_bin=/usr/lib/postgresql/$PG_VERSION/bin
fi
# The caller's connection and make settings are not for our servers and builds.
for name in "${!PG@}"; do
	[[ $name =~ ^(PG_(VERSION|CONFIG|TEST_TIMEOUT_DEFAULT)|PGISOLATIONTIMEOUT)$ ]] || unset "$name"
done
unset name MAKEFLAGS MAKELEVEL
# Nor are their servers: until ours is up there is none.
export PGHOST=/dev/null

work=     # the work directory
child=    # the process group that run() is waiting for
keep=     # not empty: leave the work directory and the server behind
patience=50  # tenths of a second that an interrupted child has for its own clean-up

die()
{
	echo "$script: $*" >&2
	exit 1
}

now() # microseconds
{
	echo "${EPOCHREALTIME/./}"
}

seconds_since() # TIME: seconds with one decimal
{
	local tenths=$((($(now) - $1) / 100000))
	echo "$((tenths / 10)).$((tenths % 10))"
}

# Runs a command in a process group of its own, so that an interruption stops all of it at once.
run()
{
	local status=0
	setsid "$@" </dev/null &
	child=$!
	wait "$child" || status=$?
	child=
	return "$status"
}

# step LABEL COMMAND...: runs it with a line of progress; its output is shown only when it fails.
runner=run
step()
{
	local label=$1 start
	shift
	start=$(now)
	printf '%s ... ' "$label"
	if "$runner" "$@" >"$work/step.log" 2>&1; then
		echo "$(seconds_since "$start") s"
	else
		echo failed
		tail -n 40 "$work/step.log"
		return 1
	fi
}

# Every server of ours has its data directory below the work directory, those of the tests too.
stop_servers()
{
	local data
	[ -n "${bin:-}" ] || return 0
	find "$work" -name postmaster.pid -printf '%h\n' 2>/dev/null | while read -r data; do
		"$bin/pg_ctl" -D "$data" -m immediate -w stop >/dev/null 2>&1 || true
	done
}

# Puts back what need() changed.
cluster_settings=/etc/postgresql-common/createcluster.conf
restore_cluster_settings()
{
	if [ -e "$work/createcluster.conf" ]; then
		cp -p "$work/createcluster.conf" "$cluster_settings"
		rm "$work/createcluster.conf"
	fi
}

clean_up()
{
	local status=$?
	trap - EXIT
	trap '' INT TERM HUP PIPE
	restore_cluster_settings
	if [ -n "$child" ]; then
		kill -TERM -- "-$child" 2>/dev/null || true
		for ((; patience > 0; patience--)); do
			kill -0 -- "-$child" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL -- "-$child" 2>/dev/null || true
	fi
	if [ -n "$work" ] && [ -z "$keep" ]; then
		stop_servers
		rm -rf "$work"
	fi
	exit "$status"
}

clean_up_at_exit()
{
	trap clean_up EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 141' PIPE
	trap 'exit 143' TERM
}

lists_are_new=

# need COMMAND-OR-FILE=PACKAGE...: installs the packages whose file is missing, or says how to.
need()
{
	local pair missing=() status=0
	for pair in "$@"; do
		command -v "${pair%%=*}" >/dev/null || [ -e "${pair%%=*}" ] || missing+=("${pair#*=}")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "Missing packages.  As root:  apt-get install --no-install-recommends ${missing[*]}" >&2
		return 1
	fi
	# An interruption waits until dpkg has done its work.
	local runner=command
	export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
	if [ -z "$lists_are_new" ]; then
		step 'apt-get update' apt-get -q update || echo 'going on with the package lists that are there'
		lists_are_new=1
	fi
	# A server package makes and starts a cluster "main" when it is installed, unless told not to.
	if [[ " ${missing[*]} " = *" postgresql-$PG_VERSION "* ]]; then
		step 'installing postgresql-common' \
			apt-get -q -y install --no-install-recommends postgresql-common || return 1
		cp -p "$cluster_settings" "$work/createcluster.conf"
		printf '\ncreate_main_cluster = false\n' >>"$cluster_settings"
	fi
	step "installing ${missing[*]}" \
		apt-get -q -y install --no-install-recommends "${missing[@]}" || status=1
	restore_cluster_settings
	return "$status"
}

# The packages without which nothing can be built or started.  pg_config comes with the client already.
server_packages()
{
	local headers=/usr/include/postgresql/$PG_VERSION/server
	[ ! -x "$server_bin/pg_config" ] || headers=$("$server_bin/pg_config" --includedir-server)
	need make=make g++=g++ perl=perl "$server_bin/postgres=postgresql-$PG_VERSION" \
		"$headers/postgres.h=postgresql-server-dev-$PG_VERSION"
}

# What .gitignore names stays behind; git itself is not asked, since a tarball has none.
copy_sources()
{
	local ignored=/dev/null
	[ ! -e "$checkout/.gitignore" ] || ignored=$checkout/.gitignore
	mkdir "$work/source"
	tar -C "$checkout" --exclude=./.git -X <(sed 's,^/,./,; s,/$,,' "$ignored") -cf - . |
		tar -C "$work/source" --no-same-owner -xf -
}

# prepare ARGUMENTS...: makes the work directory and starts the script anew in it, with the same
# arguments.  PostgreSQL refuses root, so root becomes the user postgres.  A script with further
# packages to install defines a function more_packages.
prepare()
{
	local base=${TMPDIR:-/tmp} as=()
	if [ -n "${LISTING_STATS_WORK:-}" ]; then
		work=$LISTING_STATS_WORK
		unset LISTING_STATS_WORK
		bin=$work/server$server_bin
		clean_up_at_exit
		cd "$work/source"
		return
	fi
	# A socket's path may have 107 bytes.
	[ ${#base} -lt 50 ] || base=/tmp
	clean_up_at_exit
	work=$(mktemp -d "$base/listing_stats.XXXXXX")
	server_packages || exit 1
	if declare -F more_packages >/dev/null; then
		more_packages
	fi
	copy_sources
	mkdir "$work/tmp"
	if [ "$(id -u)" = 0 ]; then
		id postgres >/dev/null || die 'there is no user postgres to run the server as'
		as=(setpriv --reuid=postgres --regid="$(id -g postgres)" --init-groups)
		"${as[@]}" test -x "$base" || die "the user postgres cannot enter $base: set TMPDIR"
		chown -Rh "postgres:$(id -g postgres)" "$work"
	fi
	cd "$work"
	exec "${as[@]}" env HOME="$work" TMPDIR="$work/tmp" LISTING_STATS_WORK="$work" \
		PG_VERSION="$PG_VERSION" ${PG_CONFIG:+PG_CONFIG="$PG_CONFIG"} \
		bash "$work/source/$script" "$@"
}

# PostgreSQL finds its files relative to its own program, so a tree of links below another directory,
# with the programs copied, is an installation of its own.
copy_server()
{
	local option directory
	mkdir -p "$bin"
	cp -a "$server_bin/." "$bin"
	for option in --pkglibdir --sharedir --includedir-server; do
		directory=$("$server_bin/pg_config" "$option")
		mkdir -p "$work/server$directory"
		cp -as "$directory/." "$work/server$directory"
	done
}

install_extension()
{
	local start
	start=$(now)
	printf 'copying PostgreSQL %s ... ' "$("$server_bin/pg_config" --version | cut -d' ' -f2)"
	copy_server
	echo "$(seconds_since "$start") s"
	step 'building the extension' make -j2 PG_CONFIG="$bin/pg_config" install
}

# start_server [SETTING=VALUE...]: leaves PGHOST and the like pointing at it.
# shellcheck disable=SC2120
start_server()
{
	mkdir "$work/socket"
	"$bin/initdb" -D "$work/data" -U postgres --auth=trust --no-sync >"$work/step.log" 2>&1 ||
		{ tail "$work/step.log"; return 1; }
	printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$work/socket'" 'fsync = off' \
		"$@" >>"$work/data/postgresql.conf"
	"$bin/pg_ctl" -w -D "$work/data" -l "$work/server.log" start >/dev/null ||
		{ tail "$work/server.log"; return 1; }
	export PGHOST=$work/socket PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
	PATH=$bin:$PATH
}
