package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/system"
)

// engine is what is known of the engine; it is asked once, and again after it
// could not be reached.
type engine struct {
	version    string // "20.10.24", or "podman 4.3.1"
	api        string // the newest version that it speaks
	podman     bool
	shared     bool // whether it sees the edge's files under the same paths
	cgroup     string
	swap       bool // whether swap is accounted
	runtimes   []string
	runtime    string // the default one
	system     string // "Docker Desktop", "Debian GNU/Linux 12 (bookworm)"
	storage    string
	seccomp    bool
	ownership  string // "rootless", "user namespace", or "" where root inside is root outside
	containers int
}

// known returns what is known of the engine, asking it if need be.
func (r *Runtime) known(ctx context.Context) (*engine, error) {
	if e := r.seen.Load(); e != nil {
		return e, nil
	}
	var v types.Version
	var info system.Info
	err := r.call(ctx, callTimeout, func(ctx context.Context) (err error) {
		if v, err = r.client.ServerVersion(ctx); err == nil {
			info, err = r.client.Info(ctx)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	e := describeEngine(v, info)
	e.shared = r.shares(e)
	r.seen.Store(e)
	return e, nil
}

// describeEngine takes what counts from what an engine says of itself.
func describeEngine(v types.Version, info system.Info) *engine {
	e := &engine{
		version: v.Version, api: v.APIVersion, cgroup: "cgroup v" + info.CgroupVersion, swap: info.SwapLimit,
		runtimes: slices.Sorted(maps.Keys(info.Runtimes)), runtime: info.DefaultRuntime,
		system: info.OperatingSystem, storage: info.Driver, containers: info.Containers,
	}
	for _, c := range v.Components {
		if c.Name == "Podman Engine" {
			e.podman, e.version = true, "podman "+c.Version
		}
	}
	for _, opt := range info.SecurityOptions {
		switch name, _, _ := strings.Cut(strings.TrimPrefix(opt, "name="), ","); name {
		case "seccomp":
			e.seccomp = true
		case "rootless":
			e.ownership = "rootless"
		case "userns":
			e.ownership = "user namespace"
		}
	}
	return e
}

// shares tells whether the engine sees the edge's files: one behind a local
// socket does, unless it runs in a virtual machine of its own.
func (r *Runtime) shares(e *engine) bool {
	switch r.sharing {
	case SharingYes:
		return true
	case SharingNo:
		return false
	}
	return strings.HasPrefix(r.host, "unix://") && e.system != dockerDesktop
}

// dockerDesktop is what such an engine calls its operating system. The virtual
// machine that it is in shares folders, but no sockets.
const dockerDesktop = "Docker Desktop"

// privateCgroups tells whether containers get a control group namespace of their
// own. Podman's interface leaves them the computer's under cgroup v1; what they
// see of the groups is read-only all the same.
func (e *engine) privateCgroups() bool { return !e.podman || e.cgroup != "cgroup v1" }

func (e *engine) String() string { return fmt.Sprintf("%s (API %s, %s)", e.version, e.api, e.cgroup) }
