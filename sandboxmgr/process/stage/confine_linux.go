package stage

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// giveUp leaves the thread as user UserID without capabilities, without a way
// to get any, and with the bounds that belong to a process.
func giveUp(o *Order) error {
	if err := dropBounding(); err != nil {
		return err
	}
	if o.Ranged {
		if err := unix.Setresgid(UserID, UserID, UserID); err != nil {
			return fmt.Errorf("become group %d: %w", UserID, err)
		}
		if err := unix.Setresuid(UserID, UserID, UserID); err != nil {
			return fmt.Errorf("become user %d: %w", UserID, err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid new privileges: %w", err)
	}
	return setLimits(o)
}

// setLimits sets the limits of resources, which the init and all that it starts
// inherit and cannot raise.
func setLimits(o *Order) error {
	for _, l := range []struct {
		what     string
		resource int
		value    int64
		wanted   bool
	}{
		// Counted per user namespace, which is per machine, since Linux 5.14.
		{"processes", unix.RLIMIT_NPROC, o.Processes, o.Processes > 0},
		// Memory that a process can write and shares with nobody. Not RLIMIT_AS:
		// runtimes reserve address space that they never use.
		{"memory", unix.RLIMIT_DATA, o.DataBytes, o.DataBytes > 0},
		{"core dumps", unix.RLIMIT_CORE, 0, true},
	} {
		if !l.wanted {
			continue
		}
		n := uint64(l.value)
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return fmt.Errorf("bound %s: %w", l.what, err)
		}
	}
	return nil
}

// dropBounding takes every capability that this kernel has out of the bounding
// set, so that no set-user-id program could bring it back.
func dropBounding() error {
	b, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return err
	}
	last, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return fmt.Errorf("last capability: %w", err)
	}
	for c := range last + 1 {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	return nil
}
