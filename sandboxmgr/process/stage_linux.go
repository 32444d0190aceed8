package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Descriptors of the stage. Those of the mounts follow.
const (
	orderFD      = 3 // read: the order, as JSON, to the end of the pipe
	statusFD     = 4 // write: what failed; closed without a word when the init runs
	firstMountFD = 5
)

// sandboxID is the user and group that everything in a machine runs as.
const sandboxID = 10001

// order is what the stage is told to do.
type order struct {
	Hostname string
	Mounts   []mount
	Links    map[string]string // symbolic links to make: path to target
	Files    map[string]string // files to make: path to content
	// Ranged: ids 0 to 65535 exist, so that there is a root to prepare things
	// as; otherwise 10001 alone does.
	Ranged    bool
	TmpBytes  int64 // size of /tmp
	ShmBytes  int64 // size of /dev/shm
	Processes int64 // bound on processes when no control group has it; 0: none
	Args, Env []string
	Probe     bool // end instead of becoming the init
}

// Stage turns the process that it is called in, which a Runtime has started in
// new namespaces, into the init of a machine: it mounts the machine's files,
// gives up all privilege and executes the init. It returns, with the exit code
// to end with, only when that fails or when it is called by hand.
func Stage(args []string) int {
	// Namespaces and privileges belong to the thread that executes the init.
	runtime.LockOSThread()
	if len(args) != 0 || os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "this command is how edge starts a sandbox; it is not for calling by hand")
		return 2
	}
	if err := stage(); err != nil {
		f := os.NewFile(statusFD, "status")
		fmt.Fprint(f, err)
		return 1
	}
	return 0
}

func stage() error {
	if err := unix.CloseRange(orderFD, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close descriptors on exec: %w", err)
	}
	text, err := io.ReadAll(os.NewFile(orderFD, "order"))
	if err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	var o order
	if err := json.Unmarshal(text, &o); err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	for _, step := range []struct {
		name string
		do   func(*order) error
	}{
		{"become the namespace's root", becomeRoot},
		{"separate control groups", func(*order) error { return unix.Unshare(unix.CLONE_NEWCGROUP) }},
		{"set host name", func(o *order) error { return unix.Sethostname([]byte(o.Hostname)) }},
		{"make files", makeRoot},
		{"bring up loopback", loopbackUp},
		{"seal files", sealRoot},
		{"give up privileges", giveUp},
	} {
		if err := step.do(&o); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	if o.Probe {
		return nil
	}
	err = syscall.Exec(initTarget, o.Args, o.Env)
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("execute the init: %w (it must be executable by every user)", err)
	}
	return fmt.Errorf("execute the init: %w", err)
}

// becomeRoot takes id 0 of the namespace where there is one: until then the
// process has the edge's id, which does not exist in here, so that it could not
// own a file.
func becomeRoot(o *order) error {
	if !o.Ranged {
		return nil
	}
	return errors.Join(
		unix.Setgroups(nil),
		unix.Setresgid(0, 0, 0),
		unix.Setresuid(0, 0, 0),
	)
}

func loopbackUp(*order) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo); err != nil {
		return err
	}
	// Where the host has IPv6 off new namespaces do as well, and ::1 with them.
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("0"), 0)
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/lo/disable_ipv6", []byte("0"), 0)
	return nil
}

// giveUp leaves the thread as user 10001 without capabilities, without a way to
// get any, and with the bounds that belong to a process.
func giveUp(o *order) error {
	if err := dropBounding(); err != nil {
		return err
	}
	if o.Ranged {
		if err := errors.Join(
			unix.Setresgid(sandboxID, sandboxID, sandboxID),
			unix.Setresuid(sandboxID, sandboxID, sandboxID),
		); err != nil {
			return fmt.Errorf("become user %d: %w", sandboxID, err)
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
	if o.Processes > 0 {
		// Counted per user namespace, which is per machine, since Linux 5.14.
		n := uint64(o.Processes)
		if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return fmt.Errorf("bound processes: %w", err)
		}
	}
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
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
