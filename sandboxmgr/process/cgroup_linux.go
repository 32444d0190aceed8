package process

import (
	"bufio"
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupParent is the control group under which each machine has its own.
const cgroupParent = "edge-sandboxes"

// hierarchies are the folders of the file systems by which control groups are
// made here, under which the edge may make its own. Empty strings are what this
// computer, or this user, does not have.
type hierarchies struct {
	v2               string // freezes, and bounds what version 1 does not
	mem1, pid1, cpu1 string
	frz1             string // only where there is no v2
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
			for option, dir := range map[string]*string{"memory": &h.mem1, "pids": &h.pid1, "cpu": &h.cpu1, "freezer": &h.frz1} {
				if slices.Contains(options, option) {
					*dir = at
				}
			}
		}
	}
	if h.v2 != "" {
		h.frz1 = ""
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

// cgroup is a machine's control groups: folders, empty where there is none.
type cgroup struct {
	v2                     string
	mem1, pid1, cpu1, frz1 string
}

// at names machine's groups without making them.
func (h hierarchies) at(machine string) cgroup {
	in := func(base string) string {
		if base == "" {
			return ""
		}
		return filepath.Join(base, cgroupParent, machine)
	}
	return cgroup{v2: in(h.v2), mem1: in(h.mem1), pid1: in(h.pid1), cpu1: in(h.cpu1), frz1: in(h.frz1)}
}

// make makes a machine's groups. Those that cannot be made are left out; it is
// never a reason not to start.
func (h hierarchies) make(machine string) cgroup {
	c := h.at(machine)
	for _, dir := range []*string{&c.v2, &c.mem1, &c.pid1, &c.cpu1, &c.frz1} {
		if *dir != "" && os.MkdirAll(*dir, 0o755) != nil {
			*dir = ""
		}
	}
	if c.v2 != "" {
		h.delegate()
	}
	return c
}

// delegate hands the controllers of version 2 that version 1 does not have down
// to the machines' groups. It fails for one that is not given to this user;
// writing the bound then tells.
func (h hierarchies) delegate() {
	for controller, other := range map[string]string{"+memory": h.mem1, "+pids": h.pid1, "+cpu": h.cpu1} {
		if other != "" {
			continue
		}
		for _, dir := range []string{h.v2, filepath.Join(h.v2, cgroupParent)} {
			_ = set(filepath.Join(dir, "cgroup.subtree_control"), controller)
		}
	}
}

// legacy are the groups of version 1. Two controllers may share one.
func (c cgroup) legacy() []string {
	dirs := []string{c.mem1, c.pid1, c.cpu1, c.frz1}
	slices.Sort(dirs)
	return slices.DeleteFunc(slices.Compact(dirs), func(dir string) bool { return dir == "" })
}

// dirs are all groups.
func (c cgroup) dirs() []string {
	dirs := c.legacy()
	if c.v2 != "" {
		dirs = append(dirs, c.v2)
	}
	return dirs
}

// fork runs start on a thread that is in the machine's groups of version 1, with
// a descriptor of that of version 2 (-1: none), so that the process which start
// makes is in all of them from its first instruction. Moving a process that runs
// already takes the kernel some 10 ms, because it waits for all processors; a
// thread that moves itself is alone concerned, and takes none.
//
// Where that does not work the process is moved after all.
func (c cgroup) fork(start func(v2 int) (*process, error)) (p *process, err error) {
	v2 := -1
	if c.v2 != "" {
		fd, err := unix.Open(c.v2, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: c.v2, Err: err}
		}
		defer unix.Close(fd)
		v2 = fd
	}
	done := make(chan struct{})
	var inside bool
	go onDyingThread(func() {
		inside = c.enter() == nil
		p, err = start(v2)
		if err != nil && v2 >= 0 {
			// No clone3, or not into that group.
			inside = false
			p, err = start(-1)
		}
	}, done)
	<-done
	if err != nil || inside {
		return p, err
	}
	if err := c.add(p.pid); err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

// onDyingThread runs do on a thread that no other goroutine ever gets: it ends
// with this goroutine, which does not give it back. It then closes done.
func onDyingThread(do func(), done chan<- struct{}) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// A process's first thread does not end before the process: another's
		// turn, while this one is taken.
		another := make(chan struct{})
		go onDyingThread(do, another)
		<-another
		runtime.UnlockOSThread()
	} else {
		do()
	}
	close(done)
}

// enter moves the calling thread into the groups of version 1.
func (c cgroup) enter() error {
	var errs []error
	for _, dir := range c.legacy() {
		errs = append(errs, set(filepath.Join(dir, "tasks"), "0"))
	}
	return errors.Join(errs...)
}

// add moves a process, and what it will start, into the groups.
func (c cgroup) add(pid int) error {
	var errs []error
	for _, dir := range c.dirs() {
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
	file := filepath.Join(c.v2, "memory.events")
	if c.mem1 != "" {
		file = filepath.Join(c.mem1, "memory.oom_control")
	}
	return cmp.Or(field(file, "oom_kill "), "0") != "0"
}

// field returns what follows prefix on a line of a file, empty if there is none.
func field(file, prefix string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// remove deletes the groups, which must have no living process. The kernel may
// count one that has just ended for a moment more and gives no event for the
// end of that, so it is asked again for a second at most.
func (c cgroup) remove() error {
	var errs []error
	for _, dir := range c.dirs() {
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
