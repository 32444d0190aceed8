package process

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"edge/sandboxmgr/process/stage"
)

// idCount is how many ids a machine gets where it gets a range: enough for
// every id that a distribution uses.
const idCount = 65536

// idRange is the host's ids that machines use, the first being 0 inside; first
// 0 means that there is no range and that the edge's own id is 10001 inside.
type idRange struct{ first int }

func (r idRange) ranged() bool { return r.first > 0 }

// owner is the host id of who everything inside runs as.
func (r idRange) owner() int { return r.first + stage.UserID }

// mapping is what is written to the namespace's uid_map or gid_map.
func (r idRange) mapping(own int) []syscall.SysProcIDMap {
	if r.ranged() {
		return []syscall.SysProcIDMap{{ContainerID: 0, HostID: r.first, Size: idCount}}
	}
	return []syscall.SysProcIDMap{{ContainerID: stage.UserID, HostID: own, Size: 1}}
}

// chooseIDs returns the range from first where the edge may give it away.
func chooseIDs(first int) idRange {
	if !capable(unix.CAP_SYS_ADMIN, unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_CHOWN) {
		return idRange{}
	}
	for _, path := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		text, err := os.ReadFile(path)
		if err != nil || !mapCovers(string(text), first, idCount) {
			return idRange{}
		}
	}
	return idRange{first: first}
}

// capable tells whether this process has all the capabilities.
func capable(capabilities ...int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	for _, c := range capabilities {
		if data[c/32].Effective&(1<<(c%32)) == 0 {
			return false
		}
	}
	return true
}

// mapCovers tells whether a uid_map holds count ids from first on, in one line.
func mapCovers(text string, first, count int) bool {
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		var inside, outside, size int
		if n, _ := fmt.Sscan(s.Text(), &inside, &outside, &size); n == 3 && inside <= first && first+count <= inside+size {
			return true
		}
	}
	return false
}
