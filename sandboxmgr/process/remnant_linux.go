package process

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// end kills what still runs in the groups and deletes them. That is a machine
// whose folder somebody has deleted, and with it the record of which process it
// is: only its groups know it still, and nobody could hold it. The caller has the
// name's lock.
func (c cgroup) end() error {
	if c.frz1 != "" {
		_ = set(filepath.Join(c.frz1, "freezer.state"), "THAWED") // what is frozen does not die
	}
	var errs []error
	for _, dir := range c.dirs() {
		for _, pid := range members(dir) {
			errs = append(errs, killMember(dir, pid))
		}
	}
	return errors.Join(append(errs, c.remove())...)
}

// killMember kills a process if it is in the group, and no other that may have
// its number by now. A machine's processes all end with its first.
func killMember(dir string, pid int) error {
	p, err := openProcess(pid)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.close()
	// Read after the pidfd was opened: if it is a member now, the pidfd is it.
	if !slices.Contains(members(dir), pid) {
		return nil
	}
	return p.signal(syscall.SIGKILL)
}

// members are the processes in a group, but never this one: a thread of it that
// has just started a machine there may not have ended yet.
func members(dir string) []int {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil // there is no such group
	}
	var pids []int
	for field := range strings.FieldsSeq(string(b)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 0 && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}
