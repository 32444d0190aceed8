package sandboxmgr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initlink"
	"edge/sandboxmgr/initproto"
)

// openInit is the InitOpener of a world.
func (w *world) openInit(dir, token string, _ *slog.Logger) (Init, error) {
	return &link{w: w, dir: dir, token: token, closed: make(chan struct{})}, nil
}

var errLinkLost = errors.New("init closed the connection")

// link is the edge's end of one machine's init.
type link struct {
	w          *world
	dir, token string
	peer       atomic.Int64
	broken     atomic.Bool
	paused     atomic.Bool
	once       sync.Once
	closed     chan struct{}
}

func (l *link) SetPaused(paused bool) { l.paused.Store(paused) }
func (l *link) SetPeer(pid int)       { l.peer.Store(int64(pid)) }
func (l *link) Broken() bool          { return l.broken.Load() }
func (l *link) Close() error          { l.once.Do(func() { close(l.closed) }); return nil }

// machine finds the machine that has the run folder, if its init would get in.
func (l *link) machine() *machine {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	for _, m := range l.w.machines {
		if m.spec.RunDir == l.dir && m.spec.Env["EDGE_INIT_TOKEN"] == l.token && !l.w.mute && l.peer.Load() == 4711 {
			return m
		}
	}
	return nil
}

func (l *link) Ready(ctx context.Context) (string, error) {
	for ctx.Err() == nil {
		if m := l.machine(); m != nil && m.isFrozen() == nil {
			return m.boot, nil
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return "", err
		}
	}
	return "", ctx.Err()
}

func (l *link) Tunnel(_ context.Context, port int) (net.Conn, error) {
	m := l.machine()
	if m == nil {
		return nil, errLinkLost
	}
	return m.dial(port)
}

func (l *link) Call(ctx context.Context, op string, req, resp any) error {
	m := l.machine()
	if m == nil {
		return errLinkLost
	}
	if !m.running() { // no init is there; one might come
		l.w.unsent.Add(1)
		<-ctx.Done()
		return fmt.Errorf("%w: %w", initlink.ErrUnsent, ctx.Err())
	}
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	type answer struct {
		v   any
		err error
	}
	got := make(chan answer, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		if frozen := m.isFrozen(); frozen != nil {
			select {
			case <-frozen:
			case <-ctx.Done():
			}
		}
		v, err := m.carryOut(ctx, op, body)
		got <- answer{v, err}
	}()
	select {
	case a := <-got:
		if a.err != nil {
			return a.err
		}
		b, err := json.Marshal(a.v)
		if err != nil {
			return err
		}
		return json.Unmarshal(b, resp)
	case <-m.ended:
		return errLinkLost
	case <-l.closed:
		return errLinkLost
	case <-ctx.Done():
		return ctx.Err()
	}
}

// carryOut is the init.
func (m *machine) carryOut(ctx context.Context, op string, body json.RawMessage) (any, error) {
	m.w.mu.Lock()
	h := m.w.handle[op]
	m.w.mu.Unlock()
	if h != nil {
		return h(m, body)
	}
	switch op {
	case "startProcess":
		return m.startProcess(body)
	case "listProcesses":
		return m.listProcesses(), nil
	case "getProcess", "waitForExit", "getLogs":
		return m.ofProcess(ctx, op, body)
	case "exec":
		var req abi.ExecRequest
		_ = json.Unmarshal(body, &req)
		return &abi.ExecResponse{Success: true, Stdout: req.Command, Duration: req.Timeout}, nil
	case initproto.OpListeningPorts:
		m.mu.Lock()
		defer m.mu.Unlock()
		return &initproto.PortList{Ports: slices.Sorted(maps.Keys(m.listen))}, nil
	case initproto.OpShutdown:
		var req abi.StopRequest
		_ = json.Unmarshal(body, &req)
		m.mu.Lock()
		m.shutdown = append(m.shutdown, req)
		m.mu.Unlock()
		m.end(0, false)
		return &abi.Empty{}, nil
	case "setEnvVars":
		return m.setEnvVars(body)
	case "createSession", "getSession":
		return &abi.Session{}, nil
	case "deleteSession":
		return &abi.Empty{}, nil
	case "killProcess":
		return &abi.Process{}, nil
	case "killAllProcesses":
		return &abi.KillAllResponse{Count: len(m.processIDs())}, nil
	case "waitForLog":
		return &abi.WaitForLogResponse{Line: "up"}, nil
	case "writeFile":
		return &abi.WriteFileResponse{Path: "/workspace/x"}, nil
	case "readFile":
		return &abi.ReadFileResponse{Content: "x"}, nil
	}
	return nil, abi.Errorf(abi.CodeUnknownOperation, "no %s", op)
}

func (m *machine) startProcess(body json.RawMessage) (any, error) {
	var req abi.StartProcessRequest
	_ = json.Unmarshal(body, &req)
	m.mu.Lock()
	defer m.mu.Unlock()
	if req.ProcessID == "" {
		req.ProcessID = "p" + randomHex(4)
	}
	if p := m.procs[req.ProcessID]; p != nil && req.IfRunning == abi.IfRunningReuse {
		own := p.Process
		return &own, nil
	} else if p != nil {
		return nil, abi.Errorf(abi.CodeProcessAlreadyExists, "process %q already exists", req.ProcessID)
	}
	p := &proc{ended: make(chan struct{}), Process: abi.Process{ID: req.ProcessID, PID: 100 + len(m.procs), Command: req.Command, Status: abi.StatusRunning}}
	m.procs[req.ProcessID] = p
	m.order = append(m.order, req.ProcessID)
	own := p.Process
	return &own, nil
}

func (m *machine) listProcesses() *abi.ProcessList {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := &abi.ProcessList{}
	for _, id := range m.order {
		list.Processes = append(list.Processes, m.procs[id].Process)
	}
	return list
}

func (m *machine) ofProcess(ctx context.Context, op string, body json.RawMessage) (any, error) {
	var req abi.LogsRequest
	_ = json.Unmarshal(body, &req)
	m.mu.Lock()
	p := m.procs[req.ProcessID]
	m.mu.Unlock()
	if p == nil {
		return nil, abi.Errorf(abi.CodeProcessNotFound, "no process %q", req.ProcessID)
	}
	if op == "waitForExit" {
		select {
		case <-p.ended:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch op {
	case "getProcess":
		own := p.Process
		return &own, nil
	case "waitForExit":
		return &abi.ExitStatus{ExitCode: *p.ExitCode, Signal: p.Signal}, nil
	}
	return m.logs(p, &req), nil
}

// logs has cursors that count bytes: "stdout:stderr".
func (m *machine) logs(p *proc, req *abi.LogsRequest) *abi.LogsResponse {
	var o, e int
	_, _ = fmt.Sscanf(req.Since, "%d:%d", &o, &e)
	return &abi.LogsResponse{Stdout: p.stdout[o:], Stderr: p.stderr[e:], Cursor: fmt.Sprintf("%d:%d", len(p.stdout), len(p.stderr))}
}

func (m *machine) print(id, stdout, stderr string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.procs[id].stdout += stdout
	m.procs[id].stderr += stderr
}

func (m *machine) setEnvVars(body json.RawMessage) (any, error) {
	var req abi.SetEnvVarsRequest
	_ = json.Unmarshal(body, &req)
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, v := range req.EnvVars {
		m.env[k] = "unset"
		if v != nil {
			m.env[k] = *v
		}
	}
	return &abi.Empty{}, nil
}

// Open opens a stream that stays silent until it, or the machine, ends.
func (l *link) Open(_ context.Context, _ string, _ any) (abi.Socket, error) {
	m := l.machine()
	if m == nil || !m.running() {
		return nil, fmt.Errorf("%w: %w", initlink.ErrUnsent, errLinkLost)
	}
	return &silence{m: m, closed: make(chan struct{})}, nil
}

type silence struct {
	m      *machine
	once   sync.Once
	closed chan struct{}
}

func (s *silence) Receive(ctx context.Context) (byte, []byte, error) {
	select {
	case <-s.closed:
		return 0, nil, &abi.SocketClosed{Code: 1000}
	case <-s.m.ended:
		return 0, nil, abi.Errorf(abi.CodeSandboxExited, "ended")
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
}

func (s *silence) Send(context.Context, byte, []byte) error { return nil }

func (s *silence) Close(int, string) error { s.once.Do(func() { close(s.closed) }); return nil }
