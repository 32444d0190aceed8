package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"edge/abi"
	"edge/sandboxmgr"
	"edge/sandboxmgr/process/stage"
)

// Describe reads the limits where they are in force, and tells what else is
// between the machine and this computer. It asks the machine nothing.
func (h *handle) Describe(ctx context.Context) ([]abi.Limit, map[string]string, error) {
	if h.over() {
		return nil, nil, fmt.Errorf("describe %s: %w: it has ended", h.name, sandboxmgr.ErrNoMachine)
	}
	var limits []abi.Limit
	for _, b := range h.group.bounds(&sandboxmgr.MachineSpec{}) {
		limits = append(limits, h.orRlimit(b.limit()))
	}
	// No quota of a file system is ours to set.
	limits = append(limits, abi.Limit{Name: "disk", Value: noBound, By: byNothing})
	facts := map[string]string{
		"boundary":   "none: what runs inside shares this computer's kernel",
		"root":       "this computer's programs, read-only",
		"user":       h.user(),
		"namespaces": "user mount pid net ipc uts cgroup",
		"cgroup":     h.group.describe(),
		"pause":      freezerOf(h.machine).name(),
		"dial":       "init: an edge that is not root cannot enter a sandbox's network",
		"preset":     cmp.Or(h.record.Preset, stage.PresetDefault),
		"seccomp":    h.confinement(),
		"workspace":  h.workspace(ctx),
	}
	if h.record.Rootfs != "" {
		facts["root"] = h.record.Rootfs + ", read-only"
	}
	if h.space != nil {
		facts["dial"] = "namespace"
	}
	return limits, facts, nil
}

// orRlimit returns the init's own limit, which all in the machine inherit, where
// no control group has one.
func (h *handle) orRlimit(l abi.Limit) abi.Limit {
	resource, suffix := 0, ""
	switch {
	case l.By != byNothing:
		return l
	case l.Name == "pids":
		resource = unix.RLIMIT_NPROC
	case l.Name == "memory":
		resource, suffix = unix.RLIMIT_DATA, " for each process"
	default:
		return l
	}
	var own, its unix.Rlimit
	if unix.Prlimit(0, resource, nil, &own) != nil || unix.Prlimit(h.proc.pid, resource, nil, &its) != nil || its.Max >= own.Max {
		return l
	}
	value := strconv.FormatUint(its.Max, 10)
	if l.Name == "memory" {
		value = formatBytes(its.Max)
	}
	return abi.Limit{Name: l.Name, Value: value + suffix, By: byRlimit}
}

// user is who runs inside, there and here.
func (h *handle) user() string {
	uid, _, _ := strings.Cut(field(fmt.Sprintf("/proc/%d/status", h.proc.pid), "Uid:\t"), "\t")
	return fmt.Sprintf("%d, here %s", stage.UserID, cmp.Or(uid, "unknown"))
}

// confinement is what the kernel says of the init, whose children have no more.
func (h *handle) confinement() string {
	file := fmt.Sprintf("/proc/%d/status", h.proc.pid)
	switch mode, filters := field(file, "Seccomp:\t"), field(file, "Seccomp_filters:\t"); {
	case mode == "":
		return "unknown"
	case mode != "2":
		return "none"
	case h.record.Preset == "" && filters == "":
		return "filter"
	}
	return fmt.Sprintf("filter of the preset: %d system calls denied", stage.Denied(h.record.Preset))
}

// workspace is how much disk the machine uses.
func (h *handle) workspace(ctx context.Context) string {
	u, err := diskUsage(ctx, filepath.Join(h.folder, workspaceFolder))
	text := fmt.Sprintf("%s in %d files", formatBytes(uint64(u.bytes)), u.entries)
	switch {
	case errors.Is(err, errManyFiles) || ctx.Err() != nil:
		return "more than " + text
	case err != nil:
		return "unknown: " + err.Error()
	}
	return text
}

// describe says where the groups are.
func (c cgroup) describe() string {
	var parts []string
	if legacy := c.legacy(); len(legacy) > 0 {
		parts = append(parts, "v1 in "+strings.Join(legacy, ", "))
	}
	if c.v2 != "" {
		parts = append(parts, "v2 in "+c.v2)
	}
	return cmp.Or(strings.Join(parts, "; "), "none: this edge may not make any")
}

// present leaves out the groups that do not exist.
func (c cgroup) present() cgroup {
	for _, dir := range []*string{&c.v2, &c.mem1, &c.pid1, &c.cpu1, &c.frz1} {
		if _, err := os.Stat(*dir); err != nil {
			*dir = ""
		}
	}
	return c
}

// OOMKilled tells whether the kernel ended something in the machine for want of
// memory.
func (h *handle) OOMKilled() bool { return h.group.oomKilled() }
