package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// freezeTimeout bounds how long a machine may take to come to a halt: processes
// that wait for a disk do not stop before it answers.
const freezeTimeout = 5 * time.Second

// Pauses between two looks at what has no event for its coming true.
const (
	freezeLook = time.Millisecond
	pollSlice  = 50 * time.Millisecond // of waiting for one that has, to look at the context
)

// freezer holds every process of a machine.
type freezer interface {
	// freeze returns once nothing in the machine runs.
	freeze(ctx context.Context) error
	thaw() error
	frozen() (bool, error)
	// name says what it is, for people.
	name() string
}

// freezerOf is the best that the machine has.
func freezerOf(m *machine) freezer {
	if m.group.v2 != "" {
		if _, err := os.Stat(filepath.Join(m.group.v2, "cgroup.freeze")); err == nil {
			return freezer2(m.group.v2)
		}
	}
	if m.group.frz1 != "" {
		if _, err := os.Stat(filepath.Join(m.group.frz1, "freezer.state")); err == nil {
			return freezer1(m.group.frz1)
		}
	}
	return signals{m.proc}
}

// freezer2 is a control group of version 2.
type freezer2 string

func (freezer2) name() string { return byCgroup2 }

func (f freezer2) thaw() error { return set(filepath.Join(string(f), "cgroup.freeze"), "0") }

func (f freezer2) frozen() (bool, error) {
	b, err := os.ReadFile(filepath.Join(string(f), "cgroup.freeze"))
	return strings.TrimSpace(string(b)) == "1", err
}

func (f freezer2) freeze(ctx context.Context) error {
	path := filepath.Join(string(f), "cgroup.events")
	events, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(events)
	if err := set(filepath.Join(string(f), "cgroup.freeze"), "1"); err != nil {
		return err
	}
	var b [256]byte
	for {
		n, err := unix.Pread(events, b[:], 0)
		if err != nil {
			return &os.PathError{Op: "read", Path: path, Err: err}
		}
		if strings.Contains(string(b[:n]), "frozen 1") {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// The kernel says when the file reads otherwise than it last did.
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(events), Events: unix.POLLPRI}}, int(pollSlice.Milliseconds()))
	}
}

// freezer1 is a control group of version 1.
type freezer1 string

func (freezer1) name() string { return byCgroup1 }

func (f freezer1) thaw() error { return set(filepath.Join(string(f), "freezer.state"), "THAWED") }

func (f freezer1) state() (string, error) {
	b, err := os.ReadFile(filepath.Join(string(f), "freezer.state"))
	return strings.TrimSpace(string(b)), err
}

func (f freezer1) frozen() (bool, error) {
	state, err := f.state()
	return state == "FROZEN" || state == "FREEZING", err
}

func (f freezer1) freeze(ctx context.Context) error {
	if err := set(filepath.Join(string(f), "freezer.state"), "FROZEN"); err != nil {
		return err
	}
	return look(ctx, func() (bool, error) {
		state, err := f.state()
		return state == "FROZEN", err
	})
}

// signals stops the processes one by one where no control group can be made.
// It is weaker: a process that had stopped itself runs on after a thaw, and a
// parent can see that its children were stopped.
type signals struct{ init *process }

func (signals) name() string { return "SIGSTOP" }

// frozen: nobody inside can stop the init, so that one that is stopped was so
// by an edge.
func (s signals) frozen() (bool, error) {
	st, err := readStatus(s.init.pid)
	return st.stopped(), err
}

// freeze stops the init, which starts nothing more then, and all others until
// there is none left that runs: while one is found another may be started.
func (s signals) freeze(ctx context.Context) error {
	if err := s.init.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return look(ctx, func() (bool, error) {
		tree, err := descendants(s.init.pid)
		if err != nil {
			return false, err
		}
		still := true
		for _, st := range tree {
			if !st.stopped() {
				still = false
				st.signal(syscall.SIGSTOP)
			}
		}
		return still, nil
	})
}

// thaw lets the init run last, so that it never sees a child that is stopped.
func (s signals) thaw() error {
	tree, err := descendants(s.init.pid)
	for _, st := range tree {
		if st.pid != s.init.pid {
			st.signal(syscall.SIGCONT)
		}
	}
	return errors.Join(err, s.init.signal(syscall.SIGCONT))
}

// look asks done again and again until it says yes or fails.
func look(ctx context.Context, done func() (bool, error)) error {
	pause := time.NewTicker(freezeLook)
	defer pause.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Pause freezes all in the machine, by its control group or else by signals. It
// returns once nothing runs any more; if that fails all runs on.
func (h *handle) Pause(ctx context.Context) error {
	h.freezing.Lock()
	defer h.freezing.Unlock()
	if h.over() {
		return fmt.Errorf("pause %s: the machine has ended", h.name)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, freezeTimeout, errors.New("not everything in it could be halted in time"))
	defer cancel()
	f := freezerOf(h.machine)
	if err := f.freeze(ctx); err != nil {
		return fmt.Errorf("pause %s: %w", h.name, errors.Join(err, f.thaw()))
	}
	return nil
}

// Resume lets all in the machine run on.
func (h *handle) Resume(context.Context) error {
	h.freezing.Lock()
	defer h.freezing.Unlock()
	if h.over() {
		return fmt.Errorf("resume %s: the machine has ended", h.name)
	}
	if err := freezerOf(h.machine).thaw(); err != nil {
		return fmt.Errorf("resume %s: %w", h.name, err)
	}
	return nil
}

// Paused tells whether the machine is frozen, by this edge or an earlier one.
func (h *handle) Paused(context.Context) (bool, error) {
	if h.over() {
		return false, nil
	}
	frozen, err := freezerOf(h.machine).frozen()
	if err != nil && !h.over() {
		return false, fmt.Errorf("look at %s: %w", h.name, err)
	}
	return frozen && err == nil, nil
}
