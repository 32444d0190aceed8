package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"edge/sandboxmgr"
)

// Paths inside a container.
const (
	initTarget      = "/.edge/init"
	runTarget       = "/.edge/run"
	workspaceTarget = "/workspace"
)

// Labels of our own.
const (
	// labelFixed holds a digest of what cannot be changed in a container.
	labelFixed = "edge.fixed"
	// labelSnapshot marks a container, and the image that it is made from, as
	// coming from a snapshot of an earlier container.
	labelSnapshot = "edge.snapshot"
	// labelEnv names the variables that were not the image's, since a snapshot
	// holds them and a container takes on what its image holds.
	labelEnv = "edge.env"
	// labelPrepared holds the name of the image that an image was prepared from.
	labelPrepared = "edge.prepared"
	// labelStandIn holds the machine for which a container that never runs was
	// made.
	labelStandIn = "edge.for"
	// labelRuntime holds the OCI runtime that was asked for by name.
	labelRuntime = "edge.runtime"
	// labelRun holds the edge's folder with the socket that a relay leads to,
	// where it is not mounted.
	labelRun = "edge.run"
)

// wish is what a container shall be like.
type wish struct {
	*sandboxmgr.MachineSpec
	engine *engine
	ipv6   bool
	volume bool // whether /workspace is a volume
	// initVolume is the volume with the init's copy, where the engine does not
	// share the edge's files.
	initVolume string
	// profileFile is the seccomp profile on the engine's computer, for podman.
	profileFile string
}

// wish completes what a container of spec shall be like on this engine.
func (r *Runtime) wish(ctx context.Context, spec *sandboxmgr.MachineSpec) (wish, error) {
	e, err := r.known(ctx)
	if err != nil {
		return wish{}, err
	}
	w := wish{MachineSpec: spec, engine: e, ipv6: !r.noIPv6.Load()}
	w.volume = spec.Workspace || w.strict()
	if !e.shared || virtual(spec.OCIRuntime) {
		if w.initVolume, err = r.initVolumeOf(spec); err != nil {
			return w, err
		}
	}
	if e.podman && e.shared && !w.trusted() {
		w.profileFile, err = writeProfile(spec.InitPath)
	}
	return w, err
}

// fixed digests what cannot be changed once a container is made, labels and
// image aside (see the package on those).
func (w wish) fixed() string {
	what := []any{w.InitArgs, w.environment(), w.networkMode(), w.OCIRuntime, w.preset(), w.volume}
	if w.initVolume != "" {
		what = append(what, w.RunDir, w.initVolume)
	} else {
		what = append(what, w.RunDir, w.InitPath)
	}
	b, err := json.Marshal(what)
	if err != nil {
		panic(err) // strings
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

func (w wish) environment() []string {
	env := make([]string, 0, len(w.Env))
	for k, v := range w.Env {
		env = append(env, k+"="+v)
	}
	slices.Sort(env)
	return env
}

// dropped names the variables of a container that the next one shall not have.
func (w wish) dropped(have *container.Config) []string {
	var names []string
	for name := range strings.SplitSeq(have.Labels[labelEnv], " ") {
		if _, ok := w.Env[name]; !ok && name != "" {
			names = append(names, name)
		}
	}
	return names
}

// config is the container's portable part, from base. A variable without a
// value, as those in its unset, takes one that the image has away.
func (w wish) config(from base) *container.Config {
	labels := maps.Clone(w.Labels)
	if labels == nil {
		labels = make(map[string]string)
	}
	labels[labelFixed] = w.fixed()
	labels[labelEnv] = strings.Join(slices.Sorted(maps.Keys(w.Env)), " ")
	if from.snapshot {
		labels[labelSnapshot] = w.Name
	}
	if w.OCIRuntime != "" {
		labels[labelRuntime] = w.OCIRuntime
	}
	if w.initVolume != "" {
		labels[labelRun] = w.RunDir
	}
	return &container.Config{
		Image:      from.image,
		User:       from.user,
		Labels:     labels,
		Env:        slices.Concat(from.env, w.environment(), from.unset),
		Hostname:   hostnameOf(w.Name),
		Entrypoint: []string{initTarget},
		Cmd:        append([]string{}, w.InitArgs...),
		WorkingDir: workspaceTarget,
		StopSignal: "SIGTERM",
		// The image's own would be run by the engine, through exec.
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
}

// hostConfig is the container's part that belongs to the engine's computer.
func (w wish) hostConfig() *container.HostConfig {
	reaper := false // the init is one
	h := &container.HostConfig{
		NetworkMode:   w.networkMode(),
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		LogConfig:     container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m", "max-file": "1"}},
		Runtime:       w.OCIRuntime,
		Init:          &reaper,
		Resources:     w.bounds(),
	}
	w.confine(h)
	if w.initVolume != "" {
		w.mountCopy(h)
	} else {
		h.Mounts = append(h.Mounts, readOnly(w.RunDir, runTarget), readOnly(w.InitPath, initTarget))
	}
	if w.volume {
		h.Mounts = append(h.Mounts, w.workspace())
	}
	if w.ipv6 {
		// Engines turn IPv6 off in a container without a network, and ::1 with it.
		h.Sysctls = map[string]string{"net.ipv6.conf.all.disable_ipv6": "0"}
	}
	return h
}

// readOnly mounts a path of the host, which must exist.
func readOnly(source, target string) mount.Mount {
	return mount.Mount{
		Type: mount.TypeBind, Source: source, Target: target, ReadOnly: true,
		BindOptions: &mount.BindOptions{Propagation: mount.PropagationRPrivate},
	}
}

// bounds are the limits; an engine can change them at any time.
func (w wish) bounds() container.Resources {
	res := container.Resources{
		Memory:     w.MemoryBytes,
		MemorySwap: w.MemoryBytes, // with swap, that is: none
		NanoCPUs:   int64(w.CPUs * 1e9),
	}
	pids := w.PIDs
	if pids <= 0 {
		pids = -1 // podman has a bound of its own otherwise
	}
	res.PidsLimit = &pids
	return res
}

// limits are a container's bounds in numbers; 0 is no bound.
func limits(r container.Resources) [3]int64 {
	var pids int64
	if r.PidsLimit != nil {
		pids = *r.PidsLimit
	}
	return [3]int64{max(0, r.Memory), max(0, r.NanoCPUs), max(0, pids)}
}

// bounded tells whether a container has the bounds already.
func (w wish) bounded(have container.Resources) bool { return limits(have) == limits(w.bounds()) }

// unbinds tells whether a bound shall go that a container has. An engine can
// change one but not take it away.
func (w wish) unbinds(have container.Resources) bool {
	want := limits(w.bounds())
	for i, n := range limits(have) {
		if n > 0 && want[i] == 0 {
			return true
		}
	}
	return false
}
