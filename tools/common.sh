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
takes=    # how long the script takes, in words, without packages; said before it begins
oldest=15 # the oldest PostgreSQL that will do
servers=/usr/lib/postgresql  # where Debian has a directory for each version
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

# Every server of ours has its data directory below the work directory, those of the tests too.  The second line of
# postmaster.pid says whose it is: a copy, made with the sources, is that of somebody else's server.
stop_servers()
{
	local data
	[ -n "${bin:-}" ] || return 0
	find "$work" -name postmaster.pid -printf '%h\n' 2>/dev/null | while read -r data; do
		[ "$(realpath "$(sed -n 2p "$data/postmaster.pid")" 2>/dev/null)" = "$(realpath "$data")" ] || continue
		"$bin/pg_ctl" -D "$data" -m immediate -w stop >/dev/null 2>&1 || true
	done
}

# Puts back what install_packages() changed.
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
	if [ -n "$installing" ]; then
		echo ' interrupted: waiting until dpkg has done its work' >&"$terminal"
		wait "$installing" || true
	fi
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

major_version() # DIRECTORY: of the PostgreSQL that has its programs there
{
	"$1/pg_config" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/'
}

# Sets server_bin and PG_VERSION, or stops.  In this order: PG_CONFIG, PG_VERSION, the pg_config that is found in
# PATH if a server and its headers belong to it, the newest server that is installed, and the one that this Debian brings.
choose_server()
{
	local bin headers version
	if [ -z "${PG_CONFIG:-}${PG_VERSION:-}" ]; then
		if bin=$(pg_config --bindir 2>/dev/null) && [ -x "$bin/postgres" ] && [ -x "$bin/pg_config" ] &&
			headers=$("$bin/pg_config" --includedir-server) && [ -e "$headers/postgres.h" ] &&
			[ "$(major_version "$bin")" -ge "$oldest" ]; then
			case $bin in
				"$servers"/*/bin) PG_VERSION=$(major_version "$bin") ;;
				*) PG_CONFIG=$bin/pg_config ;;
			esac
		else
			version=$(find "$servers" -mindepth 3 -path '*/bin/postgres' 2>/dev/null |
				sed -nE 's,.*/([0-9]+)/bin/postgres$,\1,p' | sort -n | tail -n 1) || true
			[ "${version:-0}" -ge "$oldest" ] || packaged_version
			[ -n "$version" ] || die "there is no PostgreSQL, and apt knows of none.  As root:  apt-get update." \
				"Or set PG_CONFIG to the pg_config of your own"
			PG_VERSION=$version
		fi
	fi
	if [ -n "${PG_CONFIG:-}" ]; then
		server_bin=$("$PG_CONFIG" --bindir) || die "PG_CONFIG is $PG_CONFIG, which does not say --bindir"
		PG_VERSION=$(major_version "$server_bin")
	else
		server_bin=$servers/$PG_VERSION/bin
	fi
	[[ $PG_VERSION =~ ^[0-9]+$ ]] || die "PG_VERSION is $PG_VERSION, and should be a number as 17"
	[ "$PG_VERSION" -ge "$oldest" ] ||
		die "PostgreSQL $PG_VERSION is too old: $oldest or newer will do.  PG_VERSION or PG_CONFIG choose another"
}

# Sets version: that which the package postgresql of this Debian stands for.
packaged_version()
{
	local again
	for again in '' 1; do
		[ -z "$again" ] || { may_install && update_lists; } || return 0
		version=$(apt-cache depends postgresql 2>/dev/null | sed -nE 's/^ *Depends: postgresql-([0-9]+)$/\1/p') || true
		[ -z "$version" ] || return 0
	done
}

missing=()     # packages, as need() finds them
installing=    # the process that installs packages
terminal=      # a descriptor of what the script says, while one is running

# need COMMAND-OR-FILE=PACKAGE...: notes the packages whose file is missing.
need()
{
	local pair
	for pair in "$@"; do
		command -v "${pair%%=*}" >/dev/null || [ -e "${pair%%=*}" ] || missing+=("${pair#*=}")
	done
}

may_install()
{
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

# An interruption does not stop dpkg half-way: clean_up() waits for it.
run_to_its_end()
{
	local status=0
	setsid "$@" </dev/null {terminal}>&- &
	installing=$!
	wait "$installing" || status=$?
	installing=
	return "$status"
}

lists_are_new=
update_lists()
{
	local runner=run_to_its_end
	[ -z "$lists_are_new" ] || return 0
	exec {terminal}>&2
	step 'apt-get update' apt-get -q update || echo 'going on with the package lists that are there'
	exec {terminal}>&-
	lists_are_new=1
}

# The packages among these that apt has.
available()
{
	local package
	for package; do
		! apt-cache show "$package" >/dev/null 2>&1 || echo "$package"
	done
}

# What apt says that packages take: "232 MB to download, 1,150 MB on the disk".
size_of() # PACKAGE...
{
	{ apt-get --assume-no --no-install-recommends install "$@" 2>/dev/null || true; } |
		sed -nE 's,^Need to get ([^/]*/)?([0-9.]+ [kMG]?B) of archives.*,\2 to download,p
			s/^After this operation, (.*) of additional disk space will be used.*/\1 on the disk/p' |
		paste -sd ';' | sed 's/;/, /'
}

# install_packages PACKAGE...: as root.
install_packages()
{
	local status=0 runner=run_to_its_end size
	export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
	update_lists
	size=$(size_of "$@")
	echo "packages that are missing: $*${size:+; $size}"
	exec {terminal}>&2
	# A server package makes and starts a cluster "main" when it is installed, unless told not to.
	if [[ " $* " = *" postgresql-$PG_VERSION "* ]]; then
		[ -e "$cluster_settings" ] || step 'installing postgresql-common' \
			apt-get -q -y install --no-install-recommends postgresql-common || status=1
		if [ "$status" = 0 ]; then
			cp -p "$cluster_settings" "$work/createcluster.conf"
			printf '\ncreate_main_cluster = false\n' >>"$cluster_settings"
		fi
	fi
	[ "$status" != 0 ] || step 'installing them' \
		apt-get -q -y install --no-install-recommends "$@" || status=1
	restore_cluster_settings
	exec {terminal}>&-
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

# Installs what is missing, or names it in one line.  What more_packages(), a function of a script, needs is not
# indispensable: what needs it is left out.
get_packages()
{
	local needed=() useful=()
	server_packages
	[ ${#missing[@]} = 0 ] || ! may_install || update_lists
	needed=("${missing[@]}")
	missing=()
	! declare -F more_packages >/dev/null || more_packages
	[ ${#missing[@]} = 0 ] || ! may_install || update_lists
	mapfile -t useful < <(available "${missing[@]}")
	missing=()
	[ ${#needed[@]} != 0 ] || [ ${#useful[@]} != 0 ] || return 0
	# A machine that has no lists of packages yet knows none.
	if [ ${#needed[@]} != 0 ] && [ "$(available make)" = make ] &&
		[ "$(available "${needed[@]}" | wc -l)" != ${#needed[@]} ]; then
		die "apt does not have all of ${needed[*]}.  PG_VERSION or PG_CONFIG choose another PostgreSQL"
	fi
	if may_install; then
		[ ${#needed[@]} = 0 ] || install_packages "${needed[@]}" || exit 1
		[ ${#useful[@]} = 0 ] || install_packages "${useful[@]}" || true
	else
		echo "Missing packages.  As root:  apt-get install --no-install-recommends" "${needed[@]}" "${useful[@]}" >&2
		[ ${#needed[@]} = 0 ] || exit 1
		echo 'What needs them is skipped.' >&2
	fi
}

# Where the work directory goes.  A socket's path may have 107 bytes, and make does not take every file name.
work_base()
{
	local base
	[ -d "${TMPDIR:-/tmp}" ] || die "TMPDIR is $TMPDIR, and no such directory exists"
	base=$(realpath "${TMPDIR:-/tmp}")
	if [ ${#base} -ge 50 ] || [[ $base =~ [^A-Za-z0-9/._+-] ]]; then
		echo "TMPDIR is long or has other than plain characters in it: /tmp is used" >&2
		base=/tmp
	fi
	echo "$base"
}

# What .gitignore names stays behind; git itself is not asked, since a tarball has none.
copy_sources()
{
	local ignored=/dev/null
	[ ! -e "$checkout/.gitignore" ] || ignored=$checkout/.gitignore
	mkdir "$work/source"
	tar -C "$checkout" --exclude=./.git --exclude="./${work#"$checkout"/}" \
		-X <(sed 's,^/,./,; s,/$,,' "$ignored") --mode=u+rwX -cf - . |
		tar -C "$work/source" --no-same-owner -xf -
}

# prepare ARGUMENTS...: makes the work directory and starts the script anew in it, with the same
# arguments.  PostgreSQL refuses root, so root becomes the user postgres.  A script with further
# packages to install defines a function more_packages.
prepare()
{
	local base as=()
	if [ -n "${LISTING_STATS_WORK:-}" ]; then
		work=$LISTING_STATS_WORK
		unset LISTING_STATS_WORK
		choose_server
		bin=$work/server$server_bin
		clean_up_at_exit
		cd "$work/source"
		return
	fi
	base=$(work_base)
	clean_up_at_exit
	work=$(mktemp -d "$base/listing_stats.XXXXXX")
	[ -z "$takes" ] || echo "This takes $takes, and longer where packages have to be installed first."
	choose_server
	get_packages
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
