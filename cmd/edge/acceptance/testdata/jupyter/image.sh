#!/bin/sh
# Builds edge-jupyter: the sandbox image with Debian's Jupyter on top, as one
# would write it into a Dockerfile. Does nothing when it is there already.
#
# The packages come the way that this machine's apt gets its own, so that the
# build itself needs no network: apt is told what the image has, and fetches the
# rest.
#
# Environment: EDGE_IMAGE, the image to build on (default edge-sandbox); DOCKER,
# the client (default docker).
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
base=${EDGE_IMAGE:-edge-sandbox}
image=edge-jupyter
docker=${DOCKER:-docker}
packages="jupyter-notebook python3-ipykernel"

# A client that is newer than the engine has to be told the engine's version.
if ! why=$("$docker" version --format '{{.Server.APIVersion}}' 2>&1); then
	DOCKER_API_VERSION=$(printf '%s' "$why" | sed -n 's/.*[Mm]aximum supported API version is \([0-9.]*\).*/\1/p')
	[ -n "$DOCKER_API_VERSION" ] || { printf 'the Docker engine does not answer: %s\n' "$why" >&2; exit 1; }
	export DOCKER_API_VERSION
fi

recipe=$("$docker" image inspect --format '{{.Id}}' "$base") || exit 1
recipe=$recipe-$(sha256sum "$here/image.sh" | cut -d' ' -f1)
have=$("$docker" image inspect --format '{{index .Config.Labels "edge.recipe"}}' "$image" 2>/dev/null) || have=
if [ "$have" = "$recipe" ]; then
	exit 0
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/edge-jupyter.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir -p "$work/context/packages/partial"

container=$("$docker" create "$base" true)
"$docker" cp "$container:/var/lib/dpkg/status" "$work/status" >/dev/null
"$docker" rm "$container" >/dev/null

# fetch downloads what the image lacks. What it does is said in $work/log.
fetch() {
	# shellcheck disable=SC2086 # a list
	apt-get -q -y --download-only --no-install-recommends \
		-o Dir::State::status="$work/status" -o Dir::State::extended_states="$work/extended" \
		-o Dir::Cache::archives="$work/context/packages" -o APT::Sandbox::User=root -o Debug::NoLocking=true \
		install $packages >"$work/log" 2>&1
}

# The second try is for a machine whose lists of packages are missing or old.
fetch || { apt-get -q update >/dev/null 2>&1 && fetch; } || { tail -n 20 "$work/log" >&2; exit 1; }
rm -rf "$work/context/packages/partial"

cat >"$work/context/Dockerfile" <<END
FROM $base
COPY packages/ /tmp/packages/
RUN DEBIAN_FRONTEND=noninteractive dpkg --force-depends --unpack /tmp/packages/*.deb && DEBIAN_FRONTEND=noninteractive dpkg --configure -a && rm -r /tmp/packages
LABEL edge.recipe=$recipe
END
"$docker" build -q --network none -t "$image" "$work/context" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
