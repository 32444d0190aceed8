package initd

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"

	"edge/sandboxmgr/initproto"
)

// maxRemembered bounds the ports of which it is remembered who listened last.
const maxRemembered = initproto.MaxListeners

// ownerTries is how often the owner of a socket is looked for. A socket that is
// handed over has none for a moment; one that the sandbox's engine listens on never
// has.
const ownerTries = 3

// portTable is what listens in the sandbox, and who listened last where nothing does.
// It is brought up to date by who asks.
type portTable struct {
	processOf func(pid int) string

	mu sync.Mutex // guards all below; held while the kernel is asked
	// crude is set where the kernel has no socket diagnosis.
	crude  bool
	owners map[uint32]portOwner // by inode, of what listens now
	now    []initproto.Listener
	// last has who listened on a port last, of processes that startProcess started.
	last map[int]string
}

// portOwner is who has a socket open.
type portOwner struct {
	pid     int
	process string
	tries   int
}

func newPortTable(processOf func(pid int) string) *portTable {
	return &portTable{processOf: processOf, owners: map[uint32]portOwner{}, last: map[int]string{}}
}

// dear tells whether a look costs milliseconds of processor time.
func (t *portTable) dear() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.crude
}

// look brings the table up to date and returns what listens, by port and address. The
// result is not changed afterwards.
func (t *portTable) look() ([]initproto.Listener, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, err := t.read()
	if err != nil {
		return nil, err
	}
	t.identify(found)
	now := make([]initproto.Listener, 0, len(found))
	for _, l := range found {
		o := t.owners[l.inode]
		if o.pid == os.Getpid() || o.pid == 0 && l.at.Addr() == engineResolver {
			continue
		}
		if o.process != "" {
			t.remember(int(l.at.Port()), o.process)
		}
		now = append(now, initproto.Listener{Port: int(l.at.Port()), Address: l.at.Addr().String(), PID: o.pid, ProcessID: o.process})
	}
	t.now = now
	return now, nil
}

// engineResolver is where Docker answers the sandbox's questions for names, on
// networks of its own. It listens from outside.
var engineResolver = netip.AddrFrom4([4]byte{127, 0, 0, 11})

// read asks the kernel. t.mu is held.
func (t *portTable) read() (listeners, error) {
	var ls listeners
	if !t.crude {
		err := ls.diagnose()
		if err == nil {
			ls.settle()
			return ls, nil
		}
		t.crude, ls = !scarce(err), nil
	}
	if err := ls.addTables("/proc/net/tcp", "/proc/net/tcp6"); err != nil {
		return nil, err
	}
	ls.settle()
	return ls, nil
}

// scarce tells whether something only failed for want of something that may be there the
// next time.
func scarce(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EAGAIN} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// identify finds who has the sockets open, as far as that is not known. t.mu is held.
func (t *portTable) identify(found listeners) {
	owners, wanted := make(map[uint32]portOwner, len(found)), map[uint32]bool{}
	for _, l := range found {
		o := t.owners[l.inode]
		if o.pid != 0 && syscall.Kill(o.pid, 0) == syscall.ESRCH { // another one has it now
			o.pid, o.tries = 0, 0
		}
		owners[l.inode] = o
		if o.pid == 0 && o.tries < ownerTries {
			wanted[l.inode] = true
		}
	}
	t.owners = owners
	if len(wanted) == 0 {
		return
	}
	held, processes := holders(wanted), map[int]string{}
	for inode := range wanted {
		o := owners[inode]
		o.tries++
		if pid, ok := held[inode]; ok {
			id, known := processes[pid]
			if !known {
				id = t.processOf(pid)
				processes[pid] = id
			}
			o.pid, o.process = pid, id
		}
		owners[inode] = o
	}
}

// remember notes who listens on a port. When too many are remembered one goes on
// which nobody listens. t.mu is held.
func (t *portTable) remember(port int, process string) {
	if _, known := t.last[port]; !known && len(t.last) >= maxRemembered {
		for old := range t.last {
			if !slices.ContainsFunc(t.now, func(l initproto.Listener) bool { return l.Port == old }) {
				delete(t.last, old)
				break
			}
		}
		if len(t.last) >= maxRemembered {
			return
		}
	}
	t.last[port] = process
}

// lastOn returns the process that listened on a port last, "" if nobody knows or
// something listens there now.
func (t *portTable) lastOn(port int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.ContainsFunc(t.now, func(l initproto.Listener) bool { return l.Port == port }) {
		return ""
	}
	return t.last[port]
}
