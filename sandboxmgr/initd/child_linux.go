package initd

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"edge/abi"
)

// oomScore makes the kernel choose a child before the init.
const oomScore = "500"

// reaper starts children and takes the exit status of every process that ends,
// those that the sandbox orphaned included.
type reaper struct {
	boot string // begins every mark
	null *os.File
	// stir is told that something starts or has ended.
	stir func()

	// mu is held while a child is made, reaped or signalled by group, so that
	// a pid is not given to another process in between.
	mu       sync.Mutex
	children map[int]*child // those not reaped
	oom      *oomCount
	seq      atomic.Uint64
}

func newReaper(boot string, stir func()) (*reaper, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open the null device: %w", err)
	}
	return &reaper{boot: boot, null: null, stir: stir, children: make(map[int]*child), oom: newOOMCount()}, nil
}

// start starts a command in its own process group. Its standard files are the
// three given (nil: the null device), which stay the caller's.
func (r *reaper) start(cmd *command, stdin, stdout, stderr *os.File) (*child, error) {
	return r.fork(cmd, [3]*os.File{stdin, stdout, stderr}, &syscall.SysProcAttr{Setpgid: true})
}

// startOn starts a command as the leader of a new session, whose controlling
// terminal tty is. It stays the caller's.
func (r *reaper) startOn(cmd *command, tty *os.File) (*child, error) {
	return r.fork(cmd, [3]*os.File{tty, tty, tty}, &syscall.SysProcAttr{Setsid: true, Setctty: true})
}

// fork starts a command, as one of its session's if it has one.
func (r *reaper) fork(cmd *command, files [3]*os.File, sys *syscall.SysProcAttr) (*child, error) {
	mark := r.boot + "." + strconv.FormatUint(r.seq.Add(1), 10)
	if cmd.user != nil {
		sys.Credential = cmd.user.credential()
	}
	if cmd.session == nil {
		return r.forkMarked(cmd, mark, files, sys)
	}
	return cmd.session.start(func() (*child, error) { return r.forkMarked(cmd, mark+cmd.session.mark, files, sys) })
}

func (r *reaper) forkMarked(cmd *command, mark string, files [3]*os.File, sys *syscall.SysProcAttr) (*child, error) {
	c := &child{mark: mark, onTTY: sys.Setctty, done: make(chan struct{})}
	attr := &syscall.ProcAttr{
		Dir: cmd.dir,
		Env: append(cmd.env, markName+"="+c.mark),
		Sys: sys,
	}
	for _, f := range files {
		if f == nil {
			f = r.null
		}
		attr.Files = append(attr.Files, f.Fd())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c.started = time.Now()
	pid, err := forkUnprivileged(cmd, attr)
	if err != nil {
		return nil, err
	}
	c.pid = pid
	r.children[pid] = c
	r.stir()
	// Raising one's score needs no privilege; it fails only where /proc is not
	// what it should be, and then the sandbox runs without this nicety.
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte(oomScore), 0)
	return c, nil
}

// forkUnprivileged starts a command that cannot gain privileges by what it
// executes. no_new_privs belongs to a thread and is inherited by what it forks.
func forkUnprivileged(cmd *command, attr *syscall.ProcAttr) (int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("set no_new_privs: %w", err)
	}
	pid, err := syscall.ForkExec(cmd.path, cmd.argv, attr)
	if err != nil {
		return 0, startError(cmd, err)
	}
	return pid, nil
}

// startError says why a command could not be started.
func startError(cmd *command, err error) error {
	switch {
	case cmd.user != nil && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL)):
		return abi.Errorf(abi.CodePermissionDenied, "the sandbox cannot run commands as user %d with group %d", cmd.user.uid, cmd.user.gid).
			WithSuggestion("use a user that the sandbox's user namespace has, or leave user out")
	case cmd.user != nil && errors.Is(err, syscall.EACCES):
		return abi.Errorf(abi.CodePermissionDenied, "user %d may not enter %.200s or not execute %.200s", cmd.user.uid, cmd.dir, cmd.path)
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		return abi.Errorf(abi.CodeCommandNotFound, "%.200s: command not found (or the interpreter that it names)", cmd.path)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return abi.Errorf(abi.CodeCommandNotFound, "%.200s cannot be executed: permission denied", cmd.path).
			WithDetails(abi.CommandNotFoundDetails{Exists: true})
	case errors.Is(err, syscall.ENOEXEC):
		return abi.Errorf(abi.CodeCommandNotFound, "%.200s is not a program for this machine", cmd.path).
			WithDetails(abi.CommandNotFoundDetails{Exists: true})
	case errors.Is(err, syscall.E2BIG):
		return abi.Errorf(abi.CodeInvalidRequest, "arguments and environment are too long together")
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM):
		return abi.Errorf(abi.CodeQuotaExceeded, "no further process can be started in the sandbox: its limit of processes or memory is reached").
			WithSuggestion("end some, or raise pids or memory of the binding")
	}
	return fmt.Errorf("start %.200q: %w", cmd.path, err)
}

// reap takes exit statuses until done is closed.
func (r *reaper) reap(done <-chan struct{}) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGCHLD)
	defer signal.Stop(ch)
	for {
		r.collect() // also what ended before the signal was asked for
		select {
		case <-ch:
		case <-done:
			return
		}
	}
}

// collect reaps all that has ended; one SIGCHLD can stand for many.
func (r *reaper) collect() {
	for {
		r.mu.Lock()
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		oomKilled := pid > 0 && r.oom.explains(ws)
		if c := r.children[pid]; pid > 0 && c != nil {
			delete(r.children, pid)
			c.status, c.oomKilled, c.ended = ws, oomKilled, time.Now()
			close(c.done)
		}
		r.mu.Unlock()
		if pid > 0 {
			r.stir()
		}
		if pid <= 0 && err != syscall.EINTR {
			return
		}
	}
}

// signalGroup signals the process group of a child, if it has not been reaped.
func (r *reaper) signalGroup(c *child, sig syscall.Signal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.children[c.pid] == c && syscall.Kill(-c.pid, sig) == nil
}

// hangUp tells the programs of terminals, among cs, that their terminal goes
// away, besides a signal by which they are to end: interactive shells ignore
// most others.
func (r *reaper) hangUp(cs []*child, sig syscall.Signal) {
	if sig == syscall.SIGHUP || sig == syscall.SIGKILL {
		return
	}
	for _, c := range cs {
		if c.onTTY {
			r.signalGroup(c, syscall.SIGHUP)
		}
	}
}

// all returns the children that have not been reaped.
func (r *reaper) all() []*child {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.children))
}

// alive tells whether the child has not been reaped.
func (r *reaper) alive(c *child) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.children[c.pid] == c
}
