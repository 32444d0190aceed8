package process

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"edge/sandboxmgr"
)

// cgroupParent is the control group under which each machine has its own.
const cgroupParent = "edge-sandboxes"

// cpuPeriod is the period of the CPU quota, in microseconds.
const cpuPeriod = 100_000

// hierarchies are the folders of the file systems by which control groups are
// made here, under which the edge may make its own. Empty strings are what this
// computer, or this user, does not have.
type hierarchies struct {
	v2               string // for the controllers that version 1 does not have
	mem1, pid1, cpu1 string
}

// findHierarchies reads where control groups are. Nothing is tried yet.
func findHierarchies() hierarchies {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return hierarchies{}
	}
	own, _ := os.ReadFile("/proc/self/cgroup")
	return parseHierarchies(string(mounts), string(own), os.Geteuid() == 0)
}

// parseHierarchies understands proc(5) mountinfo and cgroups(7) /proc/self/cgroup.
// Root makes groups at the top; a user beside the group that it runs in, which
// works where the service manager has given the user its part of the tree.
func parseHierarchies(mountinfo, own string, root bool) hierarchies {
	var h hierarchies
	for s := bufio.NewScanner(strings.NewReader(mountinfo)); s.Scan(); {
		before, after, ok := strings.Cut(s.Text(), " - ")
		fields, fs := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(fs) < 3 {
			continue
		}
		at, options := fields[4], strings.Split(fs[2], ",")
		switch {
		case fs[0] == "cgroup2" && root:
			h.v2 = at
		case fs[0] == "cgroup2":
			if path, ok := ownGroup(own); ok {
				h.v2 = filepath.Join(at, filepath.Dir(path))
			}
		case fs[0] == "cgroup" && root:
			for option, dir := range map[string]*string{"memory": &h.mem1, "pids": &h.pid1, "cpu": &h.cpu1} {
				if slices.Contains(options, option) {
					*dir = at
				}
			}
		}
	}
	if h.mem1 != "" && h.pid1 != "" && h.cpu1 != "" {
		h.v2 = ""
	}
	return h
}

// ownGroup is the version 2 group in /proc/self/cgroup.
func ownGroup(own string) (string, bool) {
	for line := range strings.Lines(own) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return path, path != "/"
		}
	}
	return "", false
}

// cgroup is a machine's control groups.
type cgroup struct {
	dirs []string
	oom  string // the file with the counter of killed processes; empty: not known
}

// at names machine's groups without making them.
func (h hierarchies) at(machine string) cgroup {
	var c cgroup
	for _, base := range []string{h.v2, h.mem1, h.pid1, h.cpu1} {
		if dir := filepath.Join(base, cgroupParent, machine); base != "" && !slices.Contains(c.dirs, dir) {
			c.dirs = append(c.dirs, dir)
		}
	}
	switch {
	case h.mem1 != "":
		c.oom = filepath.Join(h.mem1, cgroupParent, machine, "memory.oom_control")
	case h.v2 != "":
		c.oom = filepath.Join(h.v2, cgroupParent, machine, "memory.events")
	}
	return c
}

// make makes a machine's groups with the bounds of spec. missing names the
// bounds that cannot be enforced; it is never a reason not to start.
func (h hierarchies) make(spec *sandboxmgr.MachineSpec) (c cgroup, missing []string) {
	c = h.at(spec.Name)
	c.dirs = slices.DeleteFunc(c.dirs, func(dir string) bool { return os.MkdirAll(dir, 0o755) != nil })
	if h.v2 != "" {
		h.delegate()
	}
	for _, b := range h.bounds(spec) {
		dir := filepath.Join(b.base, cgroupParent, spec.Name)
		if b.wanted && (b.base == "" || b.write(dir) != nil) {
			missing = append(missing, b.name)
		}
	}
	return c, missing
}

// delegate hands the controllers of version 2 down to the machines' groups. It
// fails for one that is used through version 1, or not given to this user;
// writing the bound then tells.
func (h hierarchies) delegate() {
	for _, dir := range []string{h.v2, filepath.Join(h.v2, cgroupParent)} {
		for _, controller := range []string{"+memory", "+pids", "+cpu"} {
			_ = set(filepath.Join(dir, "cgroup.subtree_control"), controller)
		}
	}
}

// bound is one of a machine's limits and the files that set it.
type bound struct {
	name   string // as in the configuration
	wanted bool
	base   string      // the hierarchy that has it
	files  [][2]string // name and text; the first is the bound, the others make it tight where they exist
}

func (b bound) write(dir string) error {
	for i, f := range b.files {
		if err := set(filepath.Join(dir, f[0]), f[1]); i == 0 && err != nil {
			return err
		}
	}
	return nil
}

func (h hierarchies) bounds(spec *sandboxmgr.MachineSpec) []bound {
	memory := strconv.FormatInt(spec.MemoryBytes, 10)
	pids := strconv.FormatInt(spec.PIDs, 10)
	quota := strconv.FormatInt(max(1000, int64(math.Round(spec.CPUs*cpuPeriod))), 10)
	mem := bound{"memory", spec.MemoryBytes > 0, h.v2, [][2]string{{"memory.max", memory}, {"memory.swap.max", "0"}}}
	if h.mem1 != "" {
		mem.base, mem.files = h.mem1, [][2]string{{"memory.limit_in_bytes", memory}, {"memory.memsw.limit_in_bytes", memory}}
	}
	cpu := bound{"cpus", spec.CPUs > 0, h.v2, [][2]string{{"cpu.max", fmt.Sprintf("%s %d", quota, cpuPeriod)}}}
	if h.cpu1 != "" {
		cpu.base, cpu.files = h.cpu1, [][2]string{{"cpu.cfs_quota_us", quota}}
	}
	pid := bound{"pids", spec.PIDs > 0, cmp.Or(h.pid1, h.v2), [][2]string{{"pids.max", pids}}}
	return []bound{mem, pid, cpu}
}

// add moves a process, and what it will start, into the groups.
func (c cgroup) add(pid int) error {
	var errs []error
	for _, dir := range c.dirs {
		errs = append(errs, set(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(pid)))
	}
	return errors.Join(errs...)
}

// set writes a control file, which must exist.
func set(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// oomKilled tells whether the kernel killed something for want of memory.
func (c cgroup) oomKilled() bool {
	b, err := os.ReadFile(c.oom)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			return n != "0"
		}
	}
	return false
}

// remove deletes the groups, which must have no living process. The kernel may
// count one that has just ended for a moment more and gives no event for the
// end of that, so it is asked again for a second at most.
func (c cgroup) remove() error {
	var errs []error
	for _, dir := range c.dirs {
		err := unix.Rmdir(dir)
		for deadline := time.Now().Add(time.Second); err == unix.EBUSY && time.Now().Before(deadline); err = unix.Rmdir(dir) {
			time.Sleep(time.Millisecond)
		}
		if err != nil && err != unix.ENOENT {
			errs = append(errs, &os.PathError{Op: "rmdir", Path: dir, Err: err})
		}
	}
	return errors.Join(errs...)
}
