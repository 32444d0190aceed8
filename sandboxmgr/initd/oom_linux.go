package initd

import (
	"bytes"
	"strconv"
	"syscall"
)

// oomFiles are where the kernel counts the processes that it ended for want of memory,
// of the sandbox's own control group as an engine shows it: of cgroups version 2 and 1.
// Where none is there nobody is said to have ended that way.
var oomFiles = []string{"/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"}

// oomCount remembers how many processes the kernel has ended for want of memory.
type oomCount struct {
	file string // "" if there is none
	seen int64
}

func newOOMCount() *oomCount {
	for _, file := range oomFiles {
		if n, ok := readOOM(file); ok {
			return &oomCount{file: file, seen: n}
		}
	}
	return &oomCount{}
}

// explains tells whether want of memory is why a process ended like that: it was killed,
// or is a shell that says so of the one it ran, and one more was ended since the last
// time. The kernel counts before it kills.
func (o *oomCount) explains(ws syscall.WaitStatus) bool {
	const shellSays = 128 + int(syscall.SIGKILL)
	killed := ws.Signaled() && ws.Signal() == syscall.SIGKILL || ws.Exited() && ws.ExitStatus() == shellSays
	if !killed || o.file == "" {
		return false
	}
	n, ok := readOOM(o.file)
	more := ok && n > o.seen
	if more {
		o.seen = n
	}
	return more
}

// readOOM reads a count.
func readOOM(file string) (int64, bool) {
	b, err := readLimited(file, 4<<10)
	if err != nil {
		return 0, false
	}
	return parseOOM(b)
}

// parseOOM finds the line "oom_kill 3".
func parseOOM(b []byte) (int64, bool) {
	for line := range bytes.Lines(b) {
		if value, ok := bytes.CutPrefix(line, []byte("oom_kill ")); ok {
			n, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
