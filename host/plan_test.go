package host

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
)

// planBoxes has one sandbox whose steps a test holds up, counts and fails.
type planBoxes struct {
	*fakeBoxes
	box *planBox
}

func (b planBoxes) sandbox(ref abi.SandboxRef) (sandbox, error) {
	if ref.ID != b.box.id {
		return b.fakeBoxes.sandbox(ref)
	}
	return b.box, nil
}

type planBox struct {
	*fakeBox
	steps chan string // each step, as it begins; nil: nobody looks

	mu      sync.Mutex
	calls   []string
	process abi.Status    // of the process; "" if there is none
	hold    chan struct{} // WaitForPort waits for its end, if it is not nil
	fail    map[string]error
	onPort  func() // when the port is ready
}

func newPlanBox(backend string) *planBox {
	return &planBox{fakeBox: newBox("a", map[int]string{8080: backend}), fail: map[string]error{}}
}

func (b *planBox) boxes() planBoxes { return planBoxes{boxes(), b} }

// called notes a step and returns its failure.
func (b *planBox) called(format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	b.mu.Lock()
	b.calls = append(b.calls, call)
	name, _, _ := strings.Cut(call, " ")
	err := b.fail[name]
	b.mu.Unlock()
	if b.steps != nil {
		b.steps <- call
	}
	return err
}

func (b *planBox) made() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.calls, ", ")
}

func (b *planBox) Wake(ctx context.Context, wake abi.Wake, upgrade bool) (sandboxmgr.Run, func(), error) {
	run, release, err := b.fakeBox.Wake(ctx, wake, upgrade)
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.fail["wake"]; e != nil {
		return run, release, e
	}
	return run, release, err
}

func (b *planBox) WriteFile(_ context.Context, req *abi.WriteFileRequest) (*abi.WriteFileResponse, error) {
	return &abi.WriteFileResponse{}, b.called("writeFile %s %d %s", req.Path, len(req.Content), req.Mode)
}

func (b *planBox) GetProcess(_ context.Context, req *abi.ProcessRequest) (*abi.Process, error) {
	if err := b.called("getProcess %s", req.ProcessID); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process == "" {
		return nil, abi.Errorf(abi.CodeProcessNotFound, "there is no process %q", req.ProcessID)
	}
	return &abi.Process{ID: req.ProcessID, Status: b.process}, nil
}

func (b *planBox) StartProcess(_ context.Context, req *abi.StartProcessRequest) (*abi.Process, error) {
	if err := b.called("startProcess %s %s %s", req.ProcessID, req.Command, req.IfRunning); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.process = abi.StatusRunning
	return &abi.Process{ID: req.ProcessID}, nil
}

func (b *planBox) WaitForPort(ctx context.Context, req *abi.WaitForPortRequest) (*abi.WaitForPortResponse, error) {
	if err := b.called("waitForPort %d %s %s", req.Port, req.ProcessID, req.Path); err != nil {
		return nil, err
	}
	b.mu.Lock()
	hold := b.hold
	b.mu.Unlock()
	if hold == nil {
		return &abi.WaitForPortResponse{}, nil
	}
	select {
	case <-hold:
		return &abi.WaitForPortResponse{}, nil
	case <-ctx.Done():
		_ = b.called("waitForPort ended: %v", ctx.Err())
		return nil, ctx.Err()
	}
}

// steps is a plan with every step.
func steps(then string) *abi.Plan {
	return &abi.Plan{
		Sandbox: ref("a"), Then: then, Port: 8080, Timeout: abi.Duration(patience),
		Files:   []abi.PlanFile{{Path: "server.ts", Content: "code", Mode: "0755"}, {Path: "b", Content: ""}},
		Process: &abi.PlanProcess{ProcessID: "web", Command: "run"}, Ready: &abi.PlanReady{Path: "/health"},
	}
}

const allSteps = "getProcess web, writeFile server.ts 4 0755, writeFile b 0 , startProcess web run reuse, waitForPort 8080 web /health"

func TestPlanTakesItsSteps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		process abi.Status
		edit    func(*abi.Plan)
		want    string
	}{
		{"all", "", nil, allSteps},
		{"the process ended", abi.StatusFailed, nil, allSteps},
		{"the process runs", abi.StatusRunning, nil, "getProcess web, waitForPort 8080 web /health"},
		{"the process starts", abi.StatusStarting, nil, "getProcess web, waitForPort 8080 web /health"},
		{"no wait", "", func(p *abi.Plan) { p.Ready, p.Files = nil, nil }, "getProcess web, startProcess web run reuse"},
		{"no process", "", func(p *abi.Plan) { p.Process, p.Files = nil, nil }, "waitForPort 8080  /health"},
		{"nothing", "", func(p *abi.Plan) { p.Process, p.Files, p.Ready = nil, nil, nil }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			box := newPlanBox(backend(t, echoSocket))
			box.process = tt.process
			d := steps(abi.PlanProxy)
			if tt.edit != nil {
				tt.edit(d)
			}
			r := start(t, &Server{boxes: box.boxes()}, all(always(d)))
			if got := r.get(t, "app", "/x", ""); got.StatusCode != 200 || !strings.Contains(got.body, "GET /x\n") {
				t.Fatalf("answered %d %s", got.StatusCode, got.body)
			}
			if got := box.made(); got != tt.want {
				t.Errorf("steps %q, want %q", got, tt.want)
			}
			if got := box.wakes[0]; !strings.HasPrefix(got, "hold(") || !strings.HasSuffix(got, " true") {
				t.Errorf("the sandbox was woken by %q", got)
			}
			box.wanted(t, 0)
		})
	}
}

// TestPlanConnects holds an upgrade while the steps are taken, and then joins it.
func TestPlanConnects(t *testing.T) {
	t.Parallel()
	box := newPlanBox(backend(t, echoSocket))
	r := start(t, &Server{boxes: box.boxes()}, all(always(steps(abi.PlanConnect))))
	c := r.dial(t)
	c.send("GET /ws HTTP/1.1\r\nHost: a\r\n" + handshake + "\r\n")
	if resp, err := http.ReadResponse(c.r, nil); err != nil || resp.StatusCode != 101 {
		t.Fatalf("%v %v", resp, err)
	}
	if got := r.get(t, "app", "/ws", ""); got.StatusCode != 426 {
		t.Errorf("a plan that connects and no upgrade: %d %s", got.StatusCode, got.body)
	}
}

// TestPlanAwaitsARisingServer has the port refuse at first, because nothing was
// waited for and the process was started by the plan.
func TestPlanAwaitsARisingServer(t *testing.T) {
	t.Parallel()
	addr := backend(t, echoHead)
	box := newPlanBox("")
	box.onDial = func(n int) {
		if n == 3 {
			box.fakeBox.mu.Lock()
			box.ports[8080] = addr
			box.fakeBox.mu.Unlock()
		}
	}
	d := steps(abi.PlanProxy)
	d.Ready, d.Files = nil, nil
	r := start(t, &Server{boxes: box.boxes()}, all(always(d)))
	if got := r.get(t, "app", "/", ""); got.StatusCode != 200 {
		t.Errorf("answered %d %s", got.StatusCode, got.body)
	}
	box.process = abi.StatusRunning // and now it did run before: nobody waits
	box.fakeBox.mu.Lock()
	box.ports[8080] = ""
	box.fakeBox.mu.Unlock()
	// A new server has no connection left to the port.
	r = start(t, &Server{boxes: box.boxes()}, all(always(d)))
	if got := r.get(t, "app", "/", ""); got.StatusCode != 502 {
		t.Errorf("a port that refuses for good: %d %s", got.StatusCode, got.body)
	}
}

// TestPlanFails has each step fail, with and without an answer of the plan's own.
func TestPlanFails(t *testing.T) {
	t.Parallel()
	notReady := abi.Errorf(abi.CodeProcessExitedBeforeReady, "process web exited with 1 before port 8080 was ready").
		WithDetails(abi.NotReady{StderrTail: "secret of the inside"}).WithSuggestion("secret")
	for _, tt := range []struct {
		step   string
		err    error
		status int
		code   string
	}{
		{"wake", abi.Errorf(abi.CodeRuntimeUnavailable, "the engine does not answer"), 503, "RUNTIME_UNAVAILABLE"},
		{"getProcess", abi.Errorf(abi.CodeSandboxExited, "the sandbox ended"), 502, "SANDBOX_EXITED"},
		{"writeFile", abi.Errorf(abi.CodePermissionDenied, "secret path /root"), 500, "PLUGIN_FAILED"},
		{"startProcess", abi.Errorf(abi.CodeCommandNotFound, "secret command"), 500, "PLUGIN_FAILED"},
		{"waitForPort", notReady, 502, "PROCESS_EXITED_BEFORE_READY"},
		{"waitForPort", errors.New("secret: broken pipe"), 500, "INTERNAL"},
	} {
		t.Run(tt.step+" "+tt.code, func(t *testing.T) {
			t.Parallel()
			box := newPlanBox(backend(t, echoHead))
			box.fail[tt.step] = tt.err
			own := steps(abi.PlanProxy)
			own.Fallback = &abi.PlanAnswer{Status: 503, Headers: [][2]string{{"Retry-After", "7"}}, Body: "starting"}
			r := start(t, &Server{boxes: box.boxes()}, []Route{
				{Path: "/own", Chain: []Plugin{{Name: "p", Decider: always(own)}}},
				{Path: "/*", Chain: []Plugin{{Name: "p", Decider: always(steps(abi.PlanProxy))}}},
			})
			got := r.get(t, "app", "/", "")
			if got.StatusCode != tt.status || !strings.Contains(got.body, tt.code) || strings.Contains(got.body, "secret") {
				t.Errorf("answered %d %s, want %d %s", got.StatusCode, got.body, tt.status, tt.code)
			}
			if got := r.get(t, "app", "/own", ""); got.StatusCode != 503 || got.body != "starting" || got.Header.Get("Retry-After") != "7" {
				t.Errorf("its own answer: %d %s", got.StatusCode, got.body)
			}
			if n := strings.Count(r.log.String(), "plan failed"); n != 2 {
				t.Errorf("the log tells of %d failures, want 2:\n%s", n, r.log)
			}
			box.wanted(t, 0)
		})
	}
}

// TestPlanFallback is given when the port refuses, and never for a refusal of the
// edge's own or for what reached the server.
func TestPlanFallback(t *testing.T) {
	t.Parallel()
	box := newPlanBox("")
	d := &abi.Plan{Sandbox: ref("a"), Then: abi.PlanProxy, Port: 8080, Fallback: &abi.PlanAnswer{Status: 202, Body: "later"}, Policy: abi.Policy{AllowOrigins: []string{"good.example"}}}
	r := start(t, &Server{boxes: box.boxes()}, all(always(d)))
	if got := r.get(t, "app", "/", ""); got.StatusCode != 202 || got.body != "later" {
		t.Errorf("the port refuses: %d %s", got.StatusCode, got.body)
	}
	if got := r.get(t, "app", "/", "Origin: http://bad.example\r\n"); got.StatusCode != 403 {
		t.Errorf("a refusal by the policy: %d %s", got.StatusCode, got.body)
	}
	addr, _ := rawBackend(t, func(string, int) string { return "nonsense\r\n\r\n" })
	box.fakeBox.mu.Lock()
	box.ports[8080] = addr
	box.fakeBox.mu.Unlock()
	if got := r.get(t, "app", "/", ""); got.StatusCode != 502 {
		t.Errorf("a server that answers nonsense: %d %s", got.StatusCode, got.body)
	}
}

// TestPlanEndsInTime bounds the steps by the plan's own time, and a run that others
// began by theirs.
func TestPlanEndsInTime(t *testing.T) {
	t.Parallel()
	box := newPlanBox(backend(t, echoHead))
	box.hold = make(chan struct{})
	box.steps = make(chan string, 100)
	short, long := steps(abi.PlanProxy), steps(abi.PlanProxy)
	short.Timeout = abi.Duration(200 * time.Millisecond)
	r := start(t, &Server{boxes: box.boxes()}, []Route{
		{Path: "/short", Chain: []Plugin{{Name: "p", Decider: always(short)}}},
		{Path: "/*", Chain: []Plugin{{Name: "p", Decider: always(long)}}},
	})
	hasty := r.dial(t)
	hasty.send("GET /short HTTP/1.1\r\nHost: a\r\n\r\n")
	for step := range box.steps {
		if strings.HasPrefix(step, "waitForPort") {
			break
		}
	}
	patient := r.dial(t)
	patient.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := hasty.answer("GET"); got.StatusCode != 504 || !strings.Contains(got.body, "TIMEOUT") {
		t.Errorf("the hasty one: %d %s", got.StatusCode, got.body)
	}
	again := 0
	for step := range box.steps { // the patient one begins another run
		if strings.HasPrefix(step, "waitForPort 8080") {
			break
		}
		if strings.HasPrefix(step, "startProcess") {
			again++
		}
	}
	close(box.hold)
	if got := patient.answer("GET"); got.StatusCode != 200 || again != 0 {
		t.Errorf("the patient one: %d %s, process started again %d times", got.StatusCode, got.body, again)
	}
}

// TestPlanClientGoesAway ends the wait of the client that left; the run goes on for
// the others, and ends with the last.
func TestPlanClientGoesAway(t *testing.T) {
	t.Parallel()
	box := newPlanBox(backend(t, echoHead))
	box.hold = make(chan struct{})
	box.steps = make(chan string, 100)
	r := start(t, &Server{boxes: box.boxes()}, all(always(steps(abi.PlanProxy))))
	waiting := func(n int) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			r.plans.mu.Lock()
			got := 0
			for _, run := range r.plans.runs {
				got += run.waiting
			}
			r.plans.mu.Unlock()
			if got == n {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%d wait, want %d", got, n)
			}
		}
	}
	ask := func() *client {
		c := r.dial(t)
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		return c
	}
	first, second := ask(), ask()
	waiting(2)
	first.Close()
	waiting(1)
	close(box.hold)
	if got := second.answer("GET"); got.StatusCode != 200 {
		t.Errorf("the one that stayed: %d %s", got.StatusCode, got.body)
	}
	box.mu.Lock()
	box.hold, box.process = make(chan struct{}), ""
	box.mu.Unlock()
	alone := ask()
	waiting(1)
	alone.Close()
	for step := range box.steps {
		if step == "waitForPort ended: context canceled" {
			break
		}
	}
	waiting(0)
	box.wanted(t, 0)
}

// TestPlanRunEndsWithTheServer forces the server down while somebody waits.
func TestPlanRunEndsWithTheServer(t *testing.T) {
	t.Parallel()
	box := newPlanBox(backend(t, echoHead))
	box.hold = make(chan struct{})
	box.steps = make(chan string, 100)
	r := start(t, &Server{boxes: box.boxes(), DrainTimeout: 10 * time.Millisecond}, all(always(steps(abi.PlanProxy))))
	c := r.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	for step := range box.steps {
		if strings.HasPrefix(step, "waitForPort") {
			break
		}
	}
	if err := r.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if got := box.made(); !strings.HasSuffix(got, "waitForPort ended: context canceled") {
		t.Errorf("steps %q", got)
	}
}

// TestPlanPanics has the host's own code panic in a step: the request is answered, and
// the next one is served.
func TestPlanPanics(t *testing.T) {
	t.Parallel()
	box := newPlanBox(backend(t, echoHead))
	box.onRunning = func() { panic("secret") }
	r := start(t, &Server{boxes: box.boxes()}, all(always(steps(abi.PlanProxy))))
	if got := r.get(t, "app", "/", ""); got.StatusCode != 500 || strings.Contains(got.body, "secret") {
		t.Errorf("answered %d %s", got.StatusCode, got.body)
	}
	if !strings.Contains(r.log.String(), "panic: secret") {
		t.Error("the log does not tell of the panic")
	}
}
