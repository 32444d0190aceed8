#!/bin/sh
# Builds the sandbox image: Debian with Bun, Node, npm, Python and git.
#
#   build.sh            does nothing when the image of this very recipe is there
#   build.sh --force    builds in any case
#
# Two ways, neither of which needs an image registry:
#
#   - by default debootstrap makes a Debian tree, which becomes the image with
#     "docker import" (needs root, since debootstrap does);
#   - with EDGE_BASE_IMAGE=IMAGE the same things are put on top of a
#     Debian-like image that the engine has or can get.
#
# Environment:
#
#   EDGE_IMAGE          name of the result (default edge-sandbox)
#   EDGE_BASE_IMAGE     image to build on instead of debootstrap
#   EDGE_DEBIAN_SUITE   Debian release for debootstrap (default bookworm)
#   EDGE_DEBIAN_MIRROR  Debian mirror (default: the one this machine's apt uses)
#   DOCKER              the client (default docker)
#
# What comes from npm is pinned by package-lock.json beside this script.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
image=${EDGE_IMAGE:-edge-sandbox}
suite=${EDGE_DEBIAN_SUITE:-bookworm}
docker=${DOCKER:-docker}
# Sandboxes run as this user unless their preset is trusted: shells show its name.
user='sandbox:x:10001:10001:sandbox:/workspace:/bin/bash'
group='sandbox:x:10001:'
packages="python3 python-is-python3 python3-websockets git ca-certificates procps"

say() { printf 'image: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
need() { command -v "$1" >/dev/null 2>&1 || die "$1 is missing: $2"; }

case $(uname -m) in
x86_64) cpu=x64 bun=@oven/bun-linux-x64 ;;
aarch64 | arm64) cpu=arm64 bun=@oven/bun-linux-aarch64 ;;
*) die "no Bun for $(uname -m): set EDGE_BASE_IMAGE to an image of your own and use that as image: in the configuration" ;;
esac

# engine_ready makes sure that the client can speak to the engine. A client
# that is newer than the engine settles on the engine's version by itself,
# unless that is below what it supports; then the engine's own word is forced.
engine_ready() {
	need "$docker" "install the Docker client"
	if why=$("$docker" version --format '{{.Server.APIVersion}}' 2>&1); then
		return
	fi
	version=$(printf '%s' "$why" | sed -n 's/.*[Mm]aximum supported API version is \([0-9.]*\).*/\1/p')
	[ -n "$version" ] || die "the Docker engine does not answer (start it with: dockerd): $why"
	export DOCKER_API_VERSION="$version"
	why=$("$docker" version --format ok 2>&1) || die "the Docker engine does not answer: $why"
}

# recipe_hash names everything that the image's content follows from.
recipe_hash() {
	{
		cat "$here/build.sh" "$here/package.json" "$here/package-lock.json"
		printf '%s\n' "$cpu" "$suite" "${EDGE_BASE_IMAGE:-}"
	} | sha256sum | cut -d' ' -f1
}

# fetch_programs installs the pinned npm packages and lays them out below
# $1/usr/local: bun, bunx, node, npm and npx.
fetch_programs() {
	tree=$1/usr/local
	mkdir -p "$work/npm" "$tree/bin" "$tree/lib/node_modules"
	cp "$here/package.json" "$here/package-lock.json" "$work/npm/"
	(cd "$work/npm" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --os=linux --cpu="$cpu" --libc=glibc >&2)
	modules=$work/npm/node_modules
	[ -x "$modules/$bun/bin/bun" ] || die "npm did not install $bun"
	[ -x "$modules/node-linux-$cpu/bin/node" ] || die "npm did not install node-linux-$cpu"
	install -m 0755 "$modules/$bun/bin/bun" "$tree/bin/bun"
	install -m 0755 "$modules/node-linux-$cpu/bin/node" "$tree/bin/node"
	cp -R "$modules/npm" "$tree/lib/node_modules/npm"
	ln -s bun "$tree/bin/bunx"
	ln -s ../lib/node_modules/npm/bin/npm-cli.js "$tree/bin/npm"
	ln -s ../lib/node_modules/npm/bin/npx-cli.js "$tree/bin/npx"
	mkdir -p "$1/workspace"
	chmod 0755 "$1/workspace"
}

# debian_mirror prints the mirror from which this machine's apt takes Debian.
debian_mirror() {
	if [ -n "${EDGE_DEBIAN_MIRROR:-}" ]; then
		printf '%s\n' "$EDGE_DEBIAN_MIRROR"
		return
	fi
	command -v apt-get >/dev/null 2>&1 || return 0
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		sed -n 's/^Debian|Debian|main|//p' | sort -u | sed -n 1p
}

# security_source prints the apt line of the security updates that this
# machine uses for the same release, if it does.
security_source() {
	command -v apt-get >/dev/null 2>&1 || return 0
	apt-get indextargets --format '$(LABEL)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		sed -n "s/^Debian-Security|\\($suite-security\\)|main|\\(.*\\)/deb \\2 \\1 main/p" | sort -u | sed -n 1p
}

# apt_proxy lets debootstrap go the way that this machine's apt goes.
apt_proxy() {
	command -v apt-config >/dev/null 2>&1 || return 0
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	if [ -n "${proxy:-}" ] && [ -z "${http_proxy:-}" ]; then
		export http_proxy="$proxy"
	fi
}

build_from_debian() {
	[ "$(id -u)" = 0 ] || die "debootstrap needs root: run this with sudo, or set EDGE_BASE_IMAGE"
	need debootstrap "apt-get install debootstrap, or set EDGE_BASE_IMAGE"
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || die "this machine's apt names no Debian mirror: set EDGE_DEBIAN_MIRROR or EDGE_BASE_IMAGE"
	apt_proxy
	root=$work/root
	say "debootstrap $suite (a few minutes)"
	debootstrap --variant=minbase --include="$(printf '%s' "$packages" | tr ' ' ,)" "$suite" "$root" "$mirror" >"$work/log" 2>&1 || {
		tail -n 20 "$work/log" >&2
		die "debootstrap failed"
	}
	upgrade_debian "$root"
	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/tmp/* "$root"/dev/* "$root"/etc/hostname "$root"/etc/resolv.conf
	fetch_programs "$root"
	printf '%s\n' "$user" >>"$root/etc/passwd"
	printf '%s\n' "$group" >>"$root/etc/group"
	chown 10001:10001 "$root/workspace"
	say "import as $image"
	tar -C "$root" --numeric-owner -c . | "$docker" import \
		--change "LABEL edge.recipe=$recipe" \
		--change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
		--change 'ENV LANG=C.UTF-8' \
		--change 'WORKDIR /workspace' \
		--change 'CMD ["/bin/bash"]' \
		- "$image" >/dev/null
}

# upgrade_debian brings security updates in, where this machine has a source of
# them; without one the release stands as it was made.
upgrade_debian() {
	line=$(security_source)
	if [ -z "$line" ]; then
		say "this machine's apt has no security updates for $suite: none installed"
		return
	fi
	printf '%s\n' "$line" >"$1/etc/apt/sources.list.d/security.list"
	cp /etc/resolv.conf "$1/etc/resolv.conf"
	DEBIAN_FRONTEND=noninteractive chroot "$1" sh -c 'apt-get -q update && apt-get -q -y upgrade && apt-get clean' >>"$work/log" 2>&1 || {
		tail -n 20 "$work/log" >&2
		die "security updates failed"
	}
}

build_from_image() {
	say "build on $EDGE_BASE_IMAGE"
	fetch_programs "$work/context/tree"
	cat >"$work/context/Dockerfile" <<-EOF
		FROM $EDGE_BASE_IMAGE
		USER root
		RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages && rm -rf /var/lib/apt/lists/*
		COPY tree/ /
		RUN printf '%s\\n' '$user' >>/etc/passwd && printf '%s\\n' '$group' >>/etc/group && chown 10001:10001 /workspace
		LABEL edge.recipe=$recipe
		ENV LANG=C.UTF-8
		WORKDIR /workspace
		ENTRYPOINT []
		CMD ["/bin/bash"]
	EOF
	"$docker" build -q -t "$image" "$work/context" >/dev/null
}

engine_ready
need npm "install Node.js with npm"
recipe=$(recipe_hash)
have=$("$docker" image inspect --format '{{index .Config.Labels "edge.recipe"}}' "$image" 2>/dev/null) || have=
if [ "${1:-}" != --force ] && [ "$have" = "$recipe" ]; then
	say "$image is up to date"
	exit 0
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/edge-image.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
if [ -n "${EDGE_BASE_IMAGE:-}" ]; then
	build_from_image
else
	build_from_debian
fi
say "$image is built"
