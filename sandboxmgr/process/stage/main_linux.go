package stage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Main turns the process that it is called in, which package stage has
// started in new namespaces, into the init of a machine. It returns, with the
// exit code to end with, only when that fails, when the order was a probe, or
// when it is called by hand.
func Main(args []string) int { return Run(args, nil) }

// Run is Main with a say of the caller's before each step: an error is that
// step's. It is for tests of what a failed start leaves.
func Run(args []string, before func(step string) error) int {
	// Namespaces and privileges belong to the thread that executes the init.
	runtime.LockOSThread()
	if len(args) != 0 || os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "this command is how edge starts a sandbox; it is not for calling by hand")
		return 2
	}
	if err := become(before); err != nil {
		fmt.Fprint(statusPipe{}, err)
		return 1
	}
	return 0
}

// statusPipe writes to StatusFD.
type statusPipe struct{}

func (statusPipe) Write(p []byte) (int, error) { return unix.Write(StatusFD, p) }

// Steps are the names of what the stage does, in order.
func Steps() []string {
	var names []string
	for _, s := range steps {
		names = append(names, s.name)
	}
	return names
}

// step is a part of what the stage does.
type step struct {
	name string
	do   func(*Order) error
}

// steps are in the order in which they must be: files need privilege, the
// filter of system calls forbids making them, and the init is executed last.
var steps = []step{
	{"become the namespace's root", becomeRoot},
	{"separate control groups", func(*Order) error { return unix.Unshare(unix.CLONE_NEWCGROUP) }},
	{"set host name", func(o *Order) error { return unix.Sethostname([]byte(o.Hostname)) }},
	{"make files", makeRoot},
	{"bring up loopback", loopbackUp},
	{"seal files", sealRoot},
	{"give up privileges", giveUp},
	{"filter system calls", func(o *Order) error { return installFilter(o.Preset) }},
	{"execute the init", execute},
}

func become(before func(step string) error) error {
	if err := unix.CloseRange(OrderFD, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close descriptors on exec: %w", err)
	}
	text, err := io.ReadAll(os.NewFile(OrderFD, "order"))
	if err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	var o Order
	if err := json.Unmarshal(text, &o); err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	for _, step := range steps {
		if before != nil {
			err = before(step.name)
		}
		if err == nil {
			err = step.do(&o)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// execute replaces the stage by the init, unless the order was a probe.
func execute(o *Order) error {
	if _, err := io.WriteString(statusPipe{}, Ready); err != nil || o.Probe {
		return err
	}
	err := syscall.Exec(InitTarget, o.Args, o.Env)
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w (it must be executable by every user)", err)
	}
	return err
}

// becomeRoot takes id 0 of the namespace where there is one: until then the
// process has the edge's id, which does not exist in here, so that it could not
// own a file.
func becomeRoot(o *Order) error {
	if !o.Ranged {
		return nil
	}
	return errors.Join(
		unix.Setgroups(nil),
		unix.Setresgid(0, 0, 0),
		unix.Setresuid(0, 0, 0),
	)
}

func loopbackUp(*Order) error {
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
