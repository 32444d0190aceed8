package bridge

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
)

// engines are all engines that this system has, each as it may be used.
func engines() []engineCase {
	return append(portableEngines(), engineCase{name: "loop", make: func() Engine { return new(Loop) }})
}

// endID names a connection of this process by its inode, for as long as the system
// runs and whichever descriptors it has.
type endID uint64

func idOf(c net.Conn) endID {
	var st syscall.Stat_t
	socketOf(c).Control(func(fd uintptr) { syscall.Fstat(int(fd), &st) })
	return endID(st.Ino)
}

// stillOpen counts those that this process has a descriptor of.
func stillOpen(ids []endID) int {
	entries, _ := os.ReadDir("/proc/self/fd")
	n := 0
	for _, e := range entries {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name())
		var id endID
		if _, err := fmt.Sscanf(to, "socket:[%d]", &id); err == nil && slices.Contains(ids, id) {
			n++
		}
	}
	return n
}

// vanish has everything dropped that comes for c from now on, without its peer
// being told: no acknowledgement leaves, and no reset.
func vanish(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = syscall.AttachLsf(int(fd), []syscall.SockFilter{*syscall.LsfStmt(syscall.BPF_RET|syscall.BPF_K, 0)})
	})
	return errors.Join(err, set)
}
