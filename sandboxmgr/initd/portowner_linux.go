package initd

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// maxLooked bounds how many descriptors one search looks at, of all processes
// together.
const maxLooked = 16 << 10

// holders finds the processes that have the sockets of those inodes open: of several
// the one with the lowest id. What is not found is left out.
func holders(wanted map[uint32]bool) map[uint32]int {
	found := make(map[uint32]int, len(wanted))
	left := maxLooked
	for _, pid := range pids() {
		if len(found) == len(wanted) || left <= 0 {
			break
		}
		eachSocket(pid, &left, func(inode uint32) {
			if _, known := found[inode]; wanted[inode] && !known {
				found[inode] = pid
			}
		})
	}
	return found
}

// pids lists the processes of this PID namespace, ascending.
func pids() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, pid)
		}
	}
	slices.Sort(all)
	return all
}

// eachSocket tells the inodes of a process's sockets. Those of another user's process
// can be seen by that user alone, as readEnviron has it.
func eachSocket(pid int, left *int, tell func(inode uint32)) {
	dir := "/proc/" + strconv.Itoa(pid)
	err := eachLink(dir+"/fd", left, tell)
	if !errors.Is(err, fs.ErrPermission) {
		return
	}
	st, err := os.Stat(dir)
	if err != nil {
		return
	}
	owner, ok := st.Sys().(*syscall.Stat_t)
	if ok && int(owner.Uid) != os.Geteuid() {
		asUser(owner.Uid, owner.Gid, func() { _ = eachLink(dir+"/fd", left, tell) }) // what it cannot see is nobody's
	}
}

// eachLink goes through a folder of descriptors.
func eachLink(dir string, left *int, tell func(inode uint32)) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(max(1, *left))
	if len(names) == 0 {
		return err
	}
	for _, name := range names {
		*left--
		to, err := os.Readlink(dir + "/" + name)
		if errors.Is(err, fs.ErrPermission) {
			return err
		}
		if inode, ok := socketInode(to); ok {
			tell(inode)
		}
	}
	return nil
}

// socketInode reads "socket:[12345]".
func socketInode(link string) (uint32, bool) {
	number, ok := strings.CutPrefix(link, "socket:[")
	if !ok || !strings.HasSuffix(number, "]") {
		return 0, false
	}
	n, err := strconv.ParseUint(number[:len(number)-1], 10, 32)
	return uint32(n), err == nil
}

// maxAncestors bounds how far up a process's parents are followed.
const maxAncestors = 64

// processOf returns the id of the process that startProcess started and pid belongs
// to, "" for none: by its group or session, its parents, or the mark in its
// environment, which reaches those who left all of these.
func (s *supervisor) processOf(pid int) string {
	byPID, byMark := map[int]string{}, map[string]string{}
	for _, p := range s.table.list() {
		if !isClosed(p.started) || p.child == nil {
			continue
		}
		byMark[p.child.mark] = p.id
		if !p.exited() { // else its number may be another's
			byPID[p.child.pid] = p.id
		}
	}
	at := pid
	for range maxAncestors {
		t, ok := readTask(at)
		if !ok {
			break
		}
		for _, known := range []int{t.pid, t.group, t.session} {
			if id, ok := byPID[known]; ok {
				return id
			}
		}
		if at = t.parent; at <= 1 || at == os.Getpid() {
			break
		}
	}
	return byMark[readMark(pid)]
}

// readTask reads what /proc shows of one process.
func readTask(pid int) (task, bool) {
	b, err := readLimited("/proc/"+strconv.Itoa(pid)+"/stat", 4<<10)
	if err != nil || bytes.LastIndexByte(b, ')') < 0 {
		return task{}, false
	}
	return parseStat(pid, b)
}
