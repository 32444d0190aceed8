package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/errdefs"

	"edge/sandboxmgr"
	"edge/sandboxmgr/netns"
)

// exitUnknown is the code of a container whose end nobody saw.
const exitUnknown = -1

// machine is a running container.
type machine struct {
	runtime *Runtime
	name    string
	id      string
	started string // when it did, as the engine says it
	pid     int    // 0: not a process that this edge can see
	space   *netns.Namespace
	noDial  error  // why space is nil
	release func() // lets go of the relay; nil if there is none
}

var (
	_ sandboxmgr.Machine   = (*machine)(nil)
	_ sandboxmgr.Pauser    = (*machine)(nil)
	_ sandboxmgr.Describer = (*machine)(nil)
)

// open holds a running container. One that has just ended is held as well;
// Wait tells.
func (r *Runtime) open(c container.InspectResponse) *machine {
	m := &machine{runtime: r, name: strings.TrimPrefix(c.Name, "/"), id: c.ID, started: c.State.StartedAt}
	if dir := c.Config.Labels[labelRun]; dir != "" {
		m.noDial = fmt.Errorf("%w: the engine at %s, or its OCI runtime, shares no files with this computer", sandboxmgr.ErrNoDial, r.host)
		m.release = r.relays.hold(r, c.ID, c.Config.Cmd, dir)
		return m
	}
	if runtime := cmp.Or(c.Config.Labels[labelRuntime], c.HostConfig.Runtime); !sharesKernel(runtime) {
		m.noDial = fmt.Errorf("%w: OCI runtime %q has a network that only it can reach", sandboxmgr.ErrNoDial, runtime)
		return m
	}
	space, err := r.gate.Open(c.State.Pid)
	// Looked at after the namespace was opened: if the process is the
	// container's now, it was then, and the namespace is the container's.
	if !inContainer(c.State.Pid, c.ID) {
		if err == nil {
			space.Close()
		}
		m.noDial = fmt.Errorf("%w: the container's processes are not this computer's, as far as the edge can see", sandboxmgr.ErrNoDial)
		return m
	}
	m.pid = c.State.Pid
	if err != nil {
		m.noDial = fmt.Errorf("%w: %w", sandboxmgr.ErrNoDial, err)
		return m
	}
	m.space = space
	return m
}

// sharesKernel tells whether containers of an OCI runtime are processes of the
// engine's computer, in namespaces of its kernel.
func sharesKernel(runtime string) bool {
	switch runtime {
	case "", "runc", "crun", "youki", "io.containerd.runc.v2", "nvidia":
		return true
	case "oci": // podman says no more
		return true
	}
	return false
}

// virtual tells whether an OCI runtime puts containers into virtual machines: a
// Unix socket of the host that is mounted there can be seen, but not connected to.
func virtual(runtime string) bool { return strings.Contains(runtime, "kata") }

// inContainer tells whether process pid, as this edge sees processes, belongs
// to the container: its control groups are named for it.
func inContainer(pid int, id string) bool {
	if pid <= 0 || id == "" {
		return false
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return err == nil && strings.Contains(string(groups), id)
}

// PID is the init's process id, or 0 where the engine's processes are not this
// edge's.
func (m *machine) PID() int { return m.pid }

// Dial connects to a port in the container's network namespace; ErrNoDial says
// why the edge cannot.
func (m *machine) Dial(ctx context.Context, port int) (net.Conn, error) {
	if m.space == nil {
		return nil, m.noDial
	}
	return m.space.Dial(ctx, port)
}

// Stop ends the container: SIGTERM to its init, and after grace, rounded up to
// whole seconds, SIGKILL to all.
func (m *machine) Stop(ctx context.Context, grace time.Duration) error {
	seconds := int(math.Ceil(max(0, grace.Seconds())))
	// What is frozen hears no signal. Most engines see to that, but not with every
	// OCI runtime. It fails where nothing is frozen, as a rule.
	_ = m.runtime.call(ctx, callTimeout, func(ctx context.Context) error {
		return m.runtime.client.ContainerUnpause(ctx, m.id)
	})
	err := m.runtime.call(ctx, grace+callTimeout, func(ctx context.Context) error {
		return m.runtime.client.ContainerStop(ctx, m.id, container.StopOptions{Timeout: &seconds})
	})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("stop %s: %w", m.name, err)
	}
	return nil
}

// Wait blocks until the container has ended, through restarts of the engine.
// The exit code is -1 when the container is gone and nobody saw its end.
func (m *machine) Wait(ctx context.Context) (sandboxmgr.MachineExit, error) {
	const shortest, longest = 50 * time.Millisecond, 2 * time.Second
	pause := time.NewTimer(0)
	defer pause.Stop()
	for delay := shortest; ; delay = min(2*delay, longest) {
		err := first(m.runtime.client.ContainerWait(ctx, m.id, container.WaitConditionNotRunning))
		if ctx.Err() != nil {
			return sandboxmgr.MachineExit{}, context.Cause(ctx)
		}
		// Whatever it said, the container's state is what counts.
		exit, over, ierr := m.ended(ctx)
		if over {
			return exit, nil
		}
		m.runtime.log.Debug("waiting for a container again", "container", m.name, "error", errors.Join(err, ierr))
		pause.Reset(delay)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return sandboxmgr.MachineExit{}, context.Cause(ctx)
		}
	}
}

// ended asks the engine whether the container has ended since it was held.
func (m *machine) ended(ctx context.Context) (exit sandboxmgr.MachineExit, over bool, err error) {
	c, err := m.runtime.inspect(ctx, m.id)
	switch {
	case errdefs.IsNotFound(err):
		return sandboxmgr.MachineExit{Code: exitUnknown}, true, nil
	case err != nil && m.pid > 0 && !inContainer(m.pid, m.id):
		// The engine does not answer, but this much can be seen without it.
		return sandboxmgr.MachineExit{Code: exitUnknown}, true, nil
	case err != nil:
		return exit, false, err
	case c.State.StartedAt != m.started: // ended, and started by somebody else
		return sandboxmgr.MachineExit{Code: exitUnknown}, true, nil
	case c.State.Running:
		return exit, false, nil
	}
	return sandboxmgr.MachineExit{Code: c.State.ExitCode, OOMKilled: c.State.OOMKilled}, true, nil
}

// first returns what comes of waiting. Both channels are listened to until one
// speaks, which the end of the call's context makes them do: one that is left
// alone would keep the client's goroutine for ever.
func first(done <-chan container.WaitResponse, failed <-chan error) error {
	select {
	case <-done:
		return nil
	case err := <-failed:
		return err
	}
}

// Close lets go of the container, which runs on.
func (m *machine) Close() error {
	if m.release != nil {
		m.release()
	}
	if m.space == nil {
		return nil
	}
	return m.space.Close()
}
