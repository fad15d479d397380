# What "tools/check --all-versions" needs beside common.sh: the suites again on versions of PostgreSQL that
# this Debian does not have, in trees made by debootstrap of the Debian suites that have them.
#
# A tree is made once and kept.  What runs in it does so in namespaces of its own: its mounts are never
# seen outside, and go away with its processes however those end.
# shellcheck shell=bash disable=SC2016,SC2034,SC2154

trees=${LISTING_STATS_TREES:-/var/cache/listing_stats}
tree_versions=(17:trixie 18:sid 19:experimental)
tree_suites=(gates regress isolation tap readme)
tree_minutes=15  # that each step of making a tree may take
isolated=(unshare --mount --pid --ipc --fork --kill-child --mount-proc)

# The archive that apt takes Debian itself from.
debian_mirror()
{
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' |
		sed -n 1p
}

# install_in_tree TREE SUITE PACKAGE...: below $isolated, as a program of its own.  Suites that are under way,
# as sid, may be older in an archive's copy than they say that they are good for.  Of experimental, which is no
# whole suite, come the packages of PostgreSQL and what they need, when all others are there.
install_in_tree()
{
	local tree=$1 suite=$2 package packages others=()
	shift 2
	packages=("$@")
	mount -t proc proc "$tree/proc"
	printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
	chmod +x "$tree/usr/sbin/policy-rc.d"
	mkdir -p "$tree/etc/postgresql-common"
	echo 'create_main_cluster = false' >"$tree/etc/postgresql-common/createcluster.conf"
	echo force-unsafe-io >"$tree/etc/dpkg/dpkg.cfg.d/listing_stats"
	echo 'Acquire::Check-Valid-Until "false";' >"$tree/etc/apt/apt.conf.d/listing_stats"
	export DEBIAN_FRONTEND=noninteractive
	if [ "$suite" = experimental ]; then
		packages=()
		for package; do
			if [[ $package = postgresql-* ]]; then packages+=("$package"); else others+=("$package"); fi
		done
		chroot "$tree" apt-get -q update
		chroot "$tree" apt-get -q -y install --no-install-recommends "${others[@]}"
		sed 's/ sid / experimental /' "$tree/etc/apt/sources.list" >"$tree/etc/apt/sources.list.d/experimental.list"
	fi
	chroot "$tree" apt-get -q update
	chroot "$tree" apt-get -q -y install --no-install-recommends -t "$suite" "${packages[@]}"
	chroot "$tree" apt-get -q clean
}

# make_tree TREE SUITE PACKAGE...: unless it is there.  Its stamp is written last, and says what it has.
# Sets "reason" when it fails.
make_tree()
{
	local tree=$1 suite=$2 base=$2 mirror stamp limited=(timeout --foreground -s KILL "${tree_minutes}m" "${isolated[@]}")
	shift 2
	stamp="$suite $*"
	[ "$(cat "$tree/.complete" 2>/dev/null)" != "$stamp" ] || return 0
	reason='debootstrap is missing'
	missing=()
	need /usr/sbin/debootstrap=debootstrap
	[ ${#missing[@]} = 0 ] || { may_install && install_packages "${missing[@]}"; } || return 1
	reason='apt knows no Debian archive'
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || return 1
	[ "$suite" != experimental ] || base=sid
	# Nothing that is worth waiting for when it is interrupted.
	patience=0
	rm -rf --one-file-system "$tree"
	reason="debootstrap failed for $suite"
	step "making a tree of $suite" "${limited[@]}" \
		/usr/sbin/debootstrap --variant=minbase "$base" "$tree" "$mirror" || { rm -rf "$tree"; return 1; }
	reason="packages could not be installed in the tree of $suite"
	step "installing $1 from $suite" "${limited[@]}" bash -c "set -e; $(declare -f install_in_tree)"'; install_in_tree "$@"' - \
		"$tree" "$suite" "$@" || { rm -rf "$tree"; return 1; }
	echo "$stamp" >"$tree/.complete"
}

# enter_tree TREE SCRATCH COMMAND...: below $isolated.  The sources are at /srv, and /tmp is in SCRATCH.
enter_tree()
{
	local tree=$1 scratch=$2
	shift 2
	mkdir -p "$tree/dev/shm" "$tree/dev/pts"
	mount -t proc proc "$tree/proc"
	mount -t tmpfs tmpfs "$tree/dev/shm"
	mount -t devpts devpts "$tree/dev/pts"
	mount --bind "$scratch/source" "$tree/srv"
	mount --bind "$scratch/tmp" "$tree/tmp"
	exec chroot "$tree" "$@"
}

# counted VERSION COMMAND...: a run of this script on that version.  Its lines get the version in front, and
# its counts are added to ours.
counted()
{
	local version=$1 status=0 filter more_passed more_failed more_skipped
	shift
	rm -f "$work/lines" "$work/counts"
	mkfifo "$work/lines"
	sed -u -E "/^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?\$/{w $work/counts
		d}; s/^/$version  /" "$work/lines" &
	filter=$!
	run "$@" >"$work/lines" 2>&1 || status=$?
	wait "$filter" || true
	if [ -s "$work/counts" ]; then
		read -r more_passed more_failed more_skipped <<<"$(tr -cd '0-9 \n' <"$work/counts")"
		passed=$((passed + more_passed))
		failed=$((failed + more_failed))
		skipped=$((skipped + ${more_skipped:-0}))
	else
		fail "PostgreSQL $version: the run ended with status $status and without a result" 0
	fi
}

check_in_tree() # VERSION SUITE-OF-DEBIAN SUITE...
{
	local version=$1 suite=$2 tree lock
	shift 2
	tree=$trees/$suite
	reason=
	if [ "$(id -u)" != 0 ]; then
		reason='only root can make and enter a tree of another Debian'
	elif ! mkdir -p "$trees" 2>/dev/null; then
		reason="$trees cannot be made"
	elif ! "${isolated[@]}" true 2>/dev/null; then
		reason='unshare is not allowed here'
	else
		exec {lock}>"$tree.lock"
		flock "$lock"
		if make_tree "$tree" "$suite" "postgresql-$version" "postgresql-server-dev-$version" g++ make perl \
			libipc-run-perl; then
			reason=
			patience=100
			mkdir "$work/tmp"
			chmod 1777 "$work/tmp"
			counted "$version" "${isolated[@]}" bash -c "set -e; $(declare -f enter_tree)"'; enter_tree "$@"' - \
				"$tree" "$work" \
				env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
				${LISTING_STATS_FULL:+LISTING_STATS_FULL=1 LISTING_STATS_STRESS_SECONDS=60} \
				PG_VERSION="$version" bash /srv/tools/check "$@"
			rm -rf "$work/tmp"
		fi
		exec {lock}>&-
	fi
	if [ -n "$reason" ]; then
		skip "PostgreSQL $version" "NOT TESTED, $reason"
	fi
}

# all_versions ARGUMENTS...: this script on the machine's PostgreSQL, with the arguments, and on each of the
# others those of the suites chosen that the version can make a difference to.
all_versions()
{
	local pair suite base version here=() files=()
	base=$(work_base)
	clean_up_at_exit
	work=$(mktemp -d "$base/listing_stats.XXXXXX")
	choose_server
	version=$PG_VERSION
	copy_sources
	for suite in "${tree_suites[@]}"; do
		wanted "$suite" || continue
		case $suite in
			tap) files=("${tap_files[@]#test/}") here+=("${files[@]%.pl}") ;;
			isolation) here+=("${specs[@]/#/isolation/}") ;;
		esac
		[[ " ${here[*]} " = *" $suite/"* ]] || here+=("$suite")
	done
	# It may be installing packages.
	patience=3000
	counted "$version" "$checkout/$script" "$@"
	keep_everything=
	for pair in "${tree_versions[@]}"; do
		files=("${here[@]}")
		# A newer Django, Rails and so on.
		[ "${pair#*:}" != trixie ] || ! wanted applications || files+=(applications)
		[ ${#files[@]} = 0 ] || check_in_tree "${pair%:*}" "${pair#*:}" "${files[@]}"
	done
	finish
}

# A fresh root, as debootstrap makes it, at DIRECTORY: a copy of one that is kept.  Sets "reason" when it fails.
fresh_root() # SUITE DIRECTORY
{
	local suite=$1 pristine=$trees/$1.fresh mirror script=/usr/share/debootstrap/scripts/$1
	if [ ! -e "$pristine/.complete" ]; then
		missing=()
		need /usr/sbin/debootstrap=debootstrap
		reason='debootstrap is missing'
		[ ${#missing[@]} = 0 ] || { may_install && install_packages "${missing[@]}"; } || return 1
		reason='apt knows no Debian archive'
		mirror=$(debian_mirror)
		[ -n "$mirror" ] || return 1
		# Suites that are newer than this debootstrap are made as all are.
		[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
		rm -rf --one-file-system "$pristine"
		reason="debootstrap failed for $suite"
		step "making a fresh $suite" timeout --foreground -s KILL "${tree_minutes}m" "${isolated[@]}" \
			/usr/sbin/debootstrap --variant=minbase "$suite" "$pristine" "$mirror" "$script" ||
			{ rm -rf "$pristine"; return 1; }
		touch "$pristine/.complete"
	fi
	cp -a "$pristine" "$2"
	rm "$2/.complete"
	# What the machine's administrator has: a name server, and an archive that may be a copy and old.
	cp /etc/resolv.conf /etc/hosts "$2/etc/"
	echo 'Acquire::Check-Valid-Until "false";' >"$2/etc/apt/apt.conf.d/listing_stats"
}

# in_root DIRECTORY COMMAND...: below $isolated.
in_root()
{
	local root=$1
	shift
	mkdir -p "$root/dev/shm" "$root/dev/pts"
	mount -t proc proc "$root/proc"
	mount -t tmpfs tmpfs "$root/dev/shm"
	mount -t devpts devpts "$root/dev/pts"
	exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"
}

# The number of megabytes below a directory.
megabytes()
{
	du -sm "$1" | cut -f1
}
