package initd

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A child's kin is everything alive that it has started, and itself: its
// process group, its session if it leads one (as the program of a terminal
// does), the descendants that can still be told by their parents, and whoever
// carries the child's mark in its environment. The last reaches what called
// setsid or lost its parents.

// Pauses between two looks at what is left, and bounds of killing.
const (
	firstPause = 2 * time.Millisecond
	maxPause   = 50 * time.Millisecond
	killWait   = 2 * time.Second // how long killed processes may take to go
	maxEnviron = 2 << 20         // bytes of an environment that are looked through
)

// task is a process as /proc shows it.
type task struct {
	pid, parent, group, session int
	start                       string // when, by the kernel's clock: tells a pid's next owner
}

// kill signals the kin of cs and waits until nothing is left of it. What is
// left after grace, or once ctx has ended, is killed. It returns false if
// something could not even be killed within two seconds.
func (r *reaper) kill(ctx context.Context, cs []*child, sig syscall.Signal, grace time.Duration) bool {
	return (&hunt{reaper: r, children: cs}).kill(ctx, sig, grace)
}

// killSession is kill for all that was started through a session.
func (r *reaper) killSession(ctx context.Context, s *session, sig syscall.Signal, grace time.Duration) bool {
	return (&hunt{reaper: r, children: s.alive(), session: s.mark}).kill(ctx, sig, grace)
}

func (h *hunt) kill(ctx context.Context, sig syscall.Signal, grace time.Duration) bool {
	h.known = make(map[int]string)
	if sig != syscall.SIGKILL {
		h.signal(sig)
		h.reaper.hangUp(h.children, sig)
		wait, cancel := context.WithTimeout(ctx, grace)
		defer cancel()
		if awaitAll(wait, h.children) && h.gone(wait, nil) {
			return true
		}
	}
	// Not the caller's context: killing is brought to its end.
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), killWait)
	defer cancel()
	h.signal(syscall.SIGKILL)
	return h.gone(wait, func(pids []int) { killAll(pids, syscall.SIGKILL) })
}

// hunt is one killing of children and their kin.
type hunt struct {
	reaper   *reaper
	children []*child
	session  string // ends the marks of a session; empty is none
	// known is who was found so far, by pid: the death of a parent hides its
	// children's descent.
	known map[int]string
}

// signal signals the kin once. It looks for them first, and then signals the
// groups before the strays, because that is atomic.
func (h *hunt) signal(sig syscall.Signal) {
	tasks := readTasks()
	kin := h.kin(tasks)
	groups := map[int]bool{}
	for _, c := range h.children {
		if h.reaper.signalGroup(c, sig) {
			groups[c.pid] = true
		}
	}
	reached := map[int]bool{}
	for _, t := range tasks {
		reached[t.pid] = groups[t.group]
	}
	killAll(slices.DeleteFunc(kin, func(pid int) bool { return reached[pid] }), sig)
}

// gone waits until no kin is alive and tells whether that came true before ctx
// ended. again, if not nil, gets those who are left at each look: they may have
// started more in between.
func (h *hunt) gone(ctx context.Context, again func([]int)) bool {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		left := h.kin(readTasks())
		if len(left) == 0 {
			return awaitAll(ctx, h.children)
		}
		if again != nil {
			again(left)
		}
		if !sleep(ctx, pause) {
			return false
		}
	}
}

// kin returns the pids of those in tasks that are kin.
func (h *hunt) kin(tasks []task) []int {
	k := kinship{groups: map[int]bool{}, sessions: map[int]bool{}, pids: map[int]bool{}}
	marks := map[string]bool{}
	for _, c := range h.children {
		marks[c.mark] = true
		if h.reaper.alive(c) { // else its pid may be another's by now
			k.groups[c.pid], k.sessions[c.pid], k.pids[c.pid] = true, true, true
		}
	}
	for _, t := range tasks {
		if start, ok := h.known[t.pid]; ok && start == t.start {
			k.pids[t.pid] = true
		}
	}
	rest := k.descend(tasks)
	for _, t := range rest { // reading environments is the dear part
		if mark := readMark(t.pid); marks[mark] || h.ofSession(mark) {
			k.pids[t.pid] = true
		}
	}
	k.descend(rest)
	var pids []int
	for _, t := range k.found {
		h.known[t.pid] = t.start
		pids = append(pids, t.pid)
	}
	return pids
}

// ofSession tells whether a mark is one of the session's.
func (h *hunt) ofSession(mark string) bool {
	return h.session != "" && strings.HasPrefix(mark, h.reaper.boot+".") && strings.HasSuffix(mark, h.session)
}

// kinship is what is known to belong together: pids, process groups and
// sessions.
type kinship struct {
	groups   map[int]bool
	sessions map[int]bool
	pids     map[int]bool
	found    []task
}

// descend finds those in tasks that are known, are of a known group or session
// or descend from somebody known, and returns the others.
func (k *kinship) descend(tasks []task) []task {
	rest := slices.Clone(tasks)
	for before := -1; before != len(k.found); { // until a round finds nobody
		before = len(k.found)
		rest = slices.DeleteFunc(rest, func(t task) bool {
			if !k.pids[t.pid] && !k.pids[t.parent] && !k.groups[t.group] && !k.sessions[t.session] {
				return false
			}
			k.pids[t.pid] = true
			k.found = append(k.found, t)
			return true
		})
	}
	return rest
}

// awaitAll waits until the children themselves have been reaped.
func awaitAll(ctx context.Context, cs []*child) bool {
	for _, c := range cs {
		if await(ctx, c.done) != nil {
			return false
		}
	}
	return true
}

func killAll(pids []int, sig syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, sig) // ESRCH: gone by itself
	}
}

// readTasks lists the living processes of this PID namespace, without this one.
func readTasks() []task {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // what was read before an error counts
	self := os.Getpid()
	tasks := make([]task, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == self {
			continue
		}
		b, err := readLimited("/proc/"+name+"/stat", 4<<10)
		if err != nil {
			continue
		}
		if t, ok := parseStat(pid, b); ok {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// parseStat reads a line of /proc/PID/stat, "7 (name) S 1 7 ...". The name can
// hold anything, so the last parenthesis counts. Zombies are not told.
func parseStat(pid int, b []byte) (task, bool) {
	const state, parent, group, session, start, fields = 0, 1, 2, 3, 19, 20 // after the name
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < fields || f[state][0] == 'Z' || f[state][0] == 'X' {
		return task{}, false
	}
	ppid, err1 := strconv.Atoi(string(f[parent]))
	pgrp, err2 := strconv.Atoi(string(f[group]))
	sid, err3 := strconv.Atoi(string(f[session]))
	return task{pid, ppid, pgrp, sid, string(f[start])}, err1 == nil && err2 == nil && err3 == nil
}

// readMark returns the mark in a process's environment, or "".
func readMark(pid int) string {
	b, err := readEnviron(pid)
	if err != nil {
		return ""
	}
	key := []byte(markName + "=")
	for entry := range bytes.SplitSeq(b, []byte{0}) {
		if v, ok := bytes.CutPrefix(entry, key); ok {
			return string(v)
		}
	}
	return ""
}

// readEnviron reads a process's environment. That of another user's process can
// be read by that user alone, whatever capabilities a container engine leaves.
func readEnviron(pid int) ([]byte, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	b, err := readLimited(dir+"/environ", maxEnviron)
	if !errors.Is(err, fs.ErrPermission) {
		return b, err
	}
	st, staterr := os.Stat(dir)
	if staterr != nil {
		return nil, staterr
	}
	owner, ok := st.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() {
		return nil, err
	}
	asUser(owner.Uid, owner.Gid, func() { b, err = readLimited(dir+"/environ", maxEnviron) })
	return b, err
}

// asUser calls f with the file system identity of another user, which belongs to
// a thread (setfsuid(2)). It changes nothing where that is not allowed.
func asUser(uid, gid uint32, f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Setfsgid(int(gid)) // these tell of no failure
	_ = unix.Setfsuid(int(uid))
	f()
	_ = unix.Setfsuid(os.Geteuid())
	_ = unix.Setfsgid(os.Getegid())
}

// endAll signals everything that descends from the init, kills what is left
// after grace or once ctx has ended, and returns when nothing is left or
// nothing helps. As process 1, or as a subreaper, the init is everybody's
// ancestor.
func (r *reaper) endAll(ctx context.Context, sig syscall.Signal, grace time.Duration) {
	killAll(descendants(), sig)
	r.hangUp(r.all(), sig)
	wait, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if sig != syscall.SIGKILL && nobodyLeft(wait, nil) {
		return
	}
	wait, cancelKill := context.WithTimeout(context.WithoutCancel(ctx), killWait)
	defer cancelKill()
	nobodyLeft(wait, func(pids []int) { killAll(pids, syscall.SIGKILL) })
}

// nobodyLeft waits until the init has no descendants.
func nobodyLeft(ctx context.Context, again func([]int)) bool {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		left := descendants()
		if len(left) == 0 {
			return true
		}
		if again != nil {
			again(left)
		}
		if !sleep(ctx, pause) {
			return false
		}
	}
}

// descendants returns the living processes below this one.
func descendants() []int {
	k := kinship{pids: map[int]bool{os.Getpid(): true}}
	k.descend(readTasks())
	var pids []int
	for _, t := range k.found {
		pids = append(pids, t.pid)
	}
	return pids
}

// sleep waits and tells whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
