package docker

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"

	"edge/abi"
	"edge/sandboxmgr"
)

var errEnded = fmt.Errorf("%w: the container has ended", sandboxmgr.ErrNoMachine)

// Describe tells the container's bounds and how it is confined, as the engine
// has it.
func (m *machine) Describe(ctx context.Context) ([]abi.Limit, map[string]string, error) {
	e, err := m.runtime.known(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("describe %s: %w", m.name, err)
	}
	c, err := m.runtime.inspect(ctx, m.id)
	if err != nil {
		return nil, nil, fmt.Errorf("describe %s: %w", m.name, m.gone(err))
	}
	return e.limitsOf(c.HostConfig), m.facts(e, c), nil
}

// byNothing: a bound that nothing enforces.
const (
	unbounded = "none"
	byNothing = "nothing"
)

// limitsOf tells the bounds of a container.
func (e *engine) limitsOf(h *container.HostConfig) []abi.Limit {
	n := limits(h.Resources)
	bound := func(name string, set bool, value string) abi.Limit {
		if !set {
			return abi.Limit{Name: name, Value: unbounded, By: byNothing}
		}
		return abi.Limit{Name: name, Value: value, By: e.cgroup}
	}
	return []abi.Limit{
		bound("memory", n[0] > 0, byteSize(n[0])),
		bound("swap", n[0] > 0 && e.swap && h.MemorySwap == h.Memory, byteSize(0)),
		bound("cpus", n[1] > 0, strconv.FormatFloat(float64(n[1])/1e9, 'f', -1, 64)),
		bound("pids", n[2] > 0, strconv.FormatInt(n[2], 10)),
		bound("disk", false, ""), // no storage driver of Docker's bounds it everywhere
	}
}

// facts tells, for people, what keeps the container where it is.
func (m *machine) facts(e *engine, c container.InspectResponse) map[string]string {
	facts := map[string]string{
		"engine":       e.String() + " at " + m.runtime.host,
		"ociRuntime":   cmp.Or(c.Config.Labels[labelRuntime], c.HostConfig.Runtime, e.runtime),
		"user":         cmp.Or(c.Config.User, rootUser),
		"network":      string(c.HostConfig.NetworkMode),
		"ipc":          cmp.Or(string(c.HostConfig.IpcMode), "the engine's default"),
		"cgroup":       e.cgroup + ", private namespace",
		"root":         "writable",
		"capabilities": "the engine's default",
		"seccomp":      e.seccompOf(c.HostConfig.SecurityOpt),
		"dial":         "namespace",
	}
	if c.HostConfig.ReadonlyRootfs {
		facts["root"] = "read-only"
	}
	if !e.privateCgroups() {
		facts["cgroup"] = e.cgroup + ", the computer's namespace"
	}
	if len(c.HostConfig.CapDrop) > 0 {
		facts["capabilities"] = unbounded
	}
	if m.noDial != nil {
		facts["dial"] = "init (" + strings.TrimPrefix(m.noDial.Error(), sandboxmgr.ErrNoDial.Error()+": ") + ")"
	}
	if m.release != nil {
		facts["init"] = "through the engine's exec"
	}
	if !e.swap {
		facts["swap"] = "this kernel does not account it: memory may be swapped if the computer has swap"
	}
	return facts
}

// seccompOf names the profile of a container.
func (e *engine) seccompOf(options []string) string {
	for _, opt := range options {
		switch value, ok := strings.CutPrefix(opt, "seccomp="); {
		case !ok:
		case value == "unconfined":
			return unbounded
		default:
			return "Docker's default without " + strings.Join(withheld, ", ")
		}
	}
	if !e.seccomp {
		return unbounded + ": the engine has no seccomp"
	}
	return "the engine's default"
}

// byteSize writes a number of bytes for people: "1 GiB", "1.5 MiB".
func byteSize(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	value, unit := float64(n), 0
	for ; value >= 1024 && unit < len(units)-1; unit++ {
		value /= 1024
	}
	return strconv.FormatFloat(value, 'g', 4, 64) + " " + units[unit]
}
