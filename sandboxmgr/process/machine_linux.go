package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"edge/sandboxmgr"
	"edge/sandboxmgr/netns"
)

// machine is a running machine, shared by all who hold it.
type machine struct {
	name   string
	folder string
	record record
	proc   *process
	group  cgroup
	space  *netns.Namespace // nil: no privilege to dial into it

	freezing sync.Mutex // held while the machine is frozen or thawed

	holders int // guarded by Runtime.mu

	// watched is closed when the goroutine watch has returned; ended when the
	// machine has ended, after exit was set.
	watched, ended chan struct{}
	exit           sandboxmgr.MachineExit
}

// watch waits for the machine's end, collects what is left of it and says so.
// It belongs to the machine's holders and returns when the last lets go.
func (m *machine) watch() {
	defer close(m.watched)
	if err := m.proc.wait(); err != nil {
		return // let go
	}
	code := m.proc.reap()
	killed := code == 128+int(syscall.SIGKILL) || code == exitUnknown
	m.exit = sandboxmgr.MachineExit{Code: code, OOMKilled: killed && m.group.oomKilled()}
	_ = m.group.remove() // what stays is removed by the next start, or by Remove
	close(m.ended)
}

// release frees what the edge has of the machine; nobody holds it any more.
func (m *machine) release() error {
	err := m.proc.close() // ends watch
	<-m.watched
	if m.space != nil {
		err = errors.Join(err, m.space.Close())
	}
	return err
}

// over tells whether the machine has ended.
func (m *machine) over() bool {
	select {
	case <-m.ended:
		return true
	default:
		return m.proc.ended()
	}
}

// stop asks the init to end and, after grace, has the kernel end all.
func (m *machine) stop(ctx context.Context, grace time.Duration) error {
	if grace > 0 {
		if err := m.end(syscall.SIGTERM); err != nil {
			return err
		}
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-m.ended:
			return nil
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := m.end(syscall.SIGKILL); err != nil {
		return err
	}
	select {
	case <-m.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// end signals the init, and thaws it to take the signal if it is frozen.
func (m *machine) end(sig syscall.Signal) error {
	m.freezing.Lock()
	defer m.freezing.Unlock()
	if err := m.proc.signal(sig); err != nil {
		return err
	}
	f := freezerOf(m)
	if frozen, err := f.frozen(); err != nil || !frozen {
		return nil // it has ended, or runs
	}
	if err := f.thaw(); err != nil && !m.over() {
		return err
	}
	return nil
}

// handle is a sandboxmgr.Machine: one holder's hold on a machine.
type handle struct {
	*machine
	close func() error // lets go, once
}

var (
	_ sandboxmgr.Machine   = (*handle)(nil)
	_ sandboxmgr.Pauser    = (*handle)(nil)
	_ sandboxmgr.Describer = (*handle)(nil)
	_ sandboxmgr.Labeller  = (*handle)(nil)
)

// newHandle makes a hold of m, which the caller has counted already.
func (r *Runtime) newHandle(m *machine) *handle {
	return &handle{machine: m, close: sync.OnceValue(func() error { return r.letGo(m) })}
}

// PID is the init's process id.
func (h *handle) PID() int { return h.proc.pid }

// Labels returns those of the machine's start. They are written before there is a
// process, and the process is known by its id and the time of its start.
func (h *handle) Labels() (map[string]string, error) { return readLabels(h.folder) }

// Dial connects to a port inside; ErrNoDial when the edge is not root.
func (h *handle) Dial(ctx context.Context, port int) (net.Conn, error) {
	if h.space == nil {
		return nil, fmt.Errorf("%w: an edge that is not root cannot enter a sandbox's network", sandboxmgr.ErrNoDial)
	}
	return h.space.Dial(ctx, port)
}

// Stop ends the machine: SIGTERM to its init, and after grace SIGKILL to all.
func (h *handle) Stop(ctx context.Context, grace time.Duration) error {
	if err := h.stop(ctx, grace); err != nil {
		return fmt.Errorf("stop %s: %w", h.name, err)
	}
	return nil
}

// Wait blocks until the machine has ended. The exit code of one that an earlier
// edge started is -1 on kernels before 6.15.
func (h *handle) Wait(ctx context.Context) (sandboxmgr.MachineExit, error) {
	select {
	case <-h.ended:
		return h.exit, nil
	case <-ctx.Done():
		return sandboxmgr.MachineExit{}, context.Cause(ctx)
	}
}

// Close lets go of the machine, which runs on.
func (h *handle) Close() error { return h.close() }
