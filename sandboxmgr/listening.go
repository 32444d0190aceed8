package sandboxmgr

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// GetListeningPorts lists the ports that something in the sandbox listens on, by port.
// It starts nothing and is no use of the sandbox: one that does not run has none, and
// one that is paused has those of before.
func (s *Sandbox) GetListeningPorts(ctx context.Context, _ *abi.Empty) (*abi.ListeningPorts, error) {
	var heard []initproto.Listener
	err := s.withUnit(func(u *unit) error {
		if err := u.settled(ctx); err != nil {
			return err
		}
		var err error
		heard, err = u.listening(ctx)
		return err
	})
	if err != nil {
		return nil, s.fail(abi.GetListeningPorts.Name(), err)
	}
	list := &abi.ListeningPorts{Ports: []abi.ListeningPort{}}
	for _, l := range heard {
		list.Ports = append(list.Ports, s.listeningPort(l))
	}
	return list, nil
}

// listeningPort is a listener as the table's operations answer it.
func (s *Sandbox) listeningPort(l initproto.Listener) abi.ListeningPort {
	p := listenerOf(l)
	if e, ok := s.m.exposures.ofPort(s.key, l.Port); ok {
		if exposed, err := s.m.exposedPort(&e); err == nil {
			p.URL = exposed.URL
		}
	}
	return p
}

func listenerOf(l initproto.Listener) abi.ListeningPort {
	return abi.ListeningPort{Port: l.Port, Address: l.Address, ProcessID: l.ProcessID, PID: l.PID}
}

// listening is what listens in the generation that runs.
func (u *unit) listening(ctx context.Context) ([]initproto.Listener, error) {
	u.mu.Lock()
	g, frozen := u.current, u.frozen()
	u.mu.Unlock()
	switch {
	case g == nil:
		return nil, nil
	case frozen: // it would not answer
		heard, _ := g.ports.snapshot()
		return heard, nil
	}
	list, err := g.askPorts(ctx, quickTimeout, 0)
	if errors.Is(err, abi.CodeSandboxExited.Err()) && !g.init.Broken() {
		return nil, nil
	}
	return list.Listeners, err
}

// heard is what is known to listen, without asking anybody; nil if nothing is known.
func (u *unit) heard() []abi.ListeningPort {
	u.mu.Lock()
	g := u.current
	u.mu.Unlock()
	if g == nil {
		return nil
	}
	ls, known := g.ports.snapshot()
	if !known {
		return nil
	}
	ports := make([]abi.ListeningPort, len(ls))
	for i, l := range ls {
		ports[i] = listenerOf(l)
	}
	return ports
}

// askPorts asks the init what listens, and, unless ended is 0, how the process ended
// that listened on that port last. What it answers is checked.
func (g *generation) askPorts(ctx context.Context, limit time.Duration, ended int) (initproto.PortList, error) {
	var list initproto.PortList
	err := g.call(ctx, initproto.OpListeningPorts, limit, &initproto.PortsRequest{Ended: ended}, &list)
	if err != nil {
		return initproto.PortList{}, err
	}
	list = checkedPorts(list)
	if list.Ended != nil {
		g.blameMemory(&list.Ended.Process)
	}
	return list, nil
}

// blameMemory completes how a process ended that nobody asked to, where the runtime
// alone can see that memory was short: the kernel kills then, and a shell tells of the
// program it ran by its exit code.
func (g *generation) blameMemory(p *abi.Process) {
	const shellSays = 128 + int(syscall.SIGKILL)
	killed := p.Signal == "SIGKILL" || p.ExitCode != nil && *p.ExitCode == shellSays
	if t, ok := g.machine.(OOMTeller); ok && killed && p.Status == abi.StatusFailed {
		p.OOMKilled = p.OOMKilled || t.OOMKilled()
	}
}

// listeningPorts are the numbers of the ports that are listened on, ascending, at
// most maxDiagnosed.
func listeningPorts(ls []initproto.Listener) []int {
	var ports []int
	for _, l := range ls {
		ports = append(ports, l.Port)
	}
	ports = slices.Compact(ports)
	return ports[:min(len(ports), maxDiagnosed)]
}

// maxDiagnosed is how many listening ports a diagnosis names.
const maxDiagnosed = 32

// silent tells whether it is known that nothing listens on a port of a sandbox that
// runs.
func (m *Manager) silent(k key, port int) bool {
	m.mu.Lock()
	u := m.units[k]
	m.mu.Unlock()
	if u == nil {
		return false
	}
	u.mu.Lock()
	g := u.current
	u.mu.Unlock()
	if g == nil {
		return false
	}
	listening, known := g.ports.listensOn(port)
	return known && !listening
}

// tellEnds adds to those ports on which nothing listens how their servers ended. It
// waits for the init for endsTimeout at most, and starts nothing.
func (s *Sandbox) tellEnds(ctx context.Context, ports []abi.ExposedPort) {
	ctx, cancel := context.WithTimeout(ctx, endsTimeout)
	defer cancel()
	_ = s.withUnit(func(u *unit) error {
		for i := range ports {
			if ports[i].Status == statusInactive && ctx.Err() == nil {
				ports[i].Ended = u.serverEnd(ctx, ports[i].Port)
			}
		}
		return nil
	})
}

// endsTimeout bounds what getExposedPorts waits to learn how servers ended.
const endsTimeout = time.Second

// serverEnd tells how the server ended that listened on a port last, nil if there is
// none, it runs, or nobody knows. It waits for the init for endsTimeout at most.
func (u *unit) serverEnd(ctx context.Context, port int) *abi.ServerEnd {
	u.mu.Lock()
	g, frozen := u.current, u.frozen()
	u.mu.Unlock()
	if g == nil || frozen {
		return nil
	}
	list, err := g.askPorts(ctx, endsTimeout, port)
	if err != nil || list.Ended == nil {
		return nil
	}
	p := list.Ended.Process
	return &abi.ServerEnd{
		ProcessID: p.ID, ExitCode: p.ExitCode, Signal: p.Signal, OOMKilled: p.OOMKilled, EndedAt: p.EndedAt, StderrTail: list.Ended.Stderr,
	}
}
