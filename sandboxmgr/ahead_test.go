package sandboxmgr

import (
	"net"
	"testing"
	"time"

	"edge/abi"
)

// labelled is a held machine that can tell what it was started with.
type labelled struct{ *pausable }

var _ Labeller = labelled{}

func (l labelled) Labels() (map[string]string, error) { return l.spec.Labels, nil }

// unmet leaves a sandbox that serves port 8080, and a restarted edge whose sandbox's
// init does not say hello.
func unmet(t *testing.T, prepare func(*machine)) *edge {
	e := newEdge(t, newWorld(t), newMemory(), nil)
	e.w.labels = true
	_, m, _ := e.start("s")
	m.serve(8080, nil)
	e.crash()
	if prepare != nil {
		prepare(m)
	}
	e.w.set(func() { e.w.mute = true })
	return successor(t, e, nil)
}

// isAhead tells whether the sandbox can be connected to and was not taken up yet.
func (e *edge) isAhead(id string) bool {
	u := e.acquire(key{"B", id})
	defer e.release(u)
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ahead != nil
}

// TestConnectionsDoNotWaitForTheInit connects to a sandbox that is known to go on,
// while whatever needs its init waits.
func TestConnectionsDoNotWaitForTheInit(t *testing.T) {
	t.Parallel()
	e := unmet(t, nil)
	s := e.sandbox("s")
	run, release, err := s.Wake(t.Context(), "", false)
	defer release()
	if err != nil || run.Generation != 1 || run.Started || run.Ready.IsZero() {
		t.Fatalf("run %+v, %v; want generation 1 again", run, err)
	}
	conn, err := s.DialRun(t.Context(), run.Generation, 8080)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	got := make(chan error, 1)
	go func() {
		_, err := s.Exec(t.Context(), &abi.ExecRequest{Command: "x"})
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("exec did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	e.w.set(func() { e.w.mute = false })
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	if e.isAhead("s") {
		t.Error("what has been taken up is still ahead")
	}
	if _, err = s.DialRun(t.Context(), run.Generation, 9090); err == nil {
		t.Error("a port on which nothing listens answers")
	}
	wantCode(t, err, abi.CodePortNotListening)
}

// TestRefusalsWaitForTheInit tells why a port is refused, which the init knows.
func TestRefusalsWaitForTheInit(t *testing.T) {
	t.Parallel()
	e := unmet(t, nil)
	s := e.sandbox("s")
	got := make(chan error, 1)
	go func() {
		_, err := s.DialRun(t.Context(), 1, 9090)
		got <- err
	}()
	eventually(t, "ahead", func() bool { return e.isAhead("s") })
	e.w.set(func() { e.w.mute = false })
	<-got // it may have come before anything was found
	_, release, err := s.Wake(t.Context(), "", false)
	defer release()
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.DialRun(t.Context(), 1, 9090)
	wantCode(t, err, abi.CodePortNotListening)
}

// TestAnotherGenerationIsNotAhead makes the machine another one than is recorded:
// nobody gets a connection before its init has been met, and then nobody at all.
func TestAnotherGenerationIsNotAhead(t *testing.T) {
	t.Parallel()
	e := unmet(t, func(m *machine) { m.spec.Labels[labelGeneration], m.boot = "7", "another" })
	s := e.sandbox("s")
	type woken struct {
		run Run
		err error
	}
	got := make(chan woken, 1)
	go func() {
		run, release, err := s.Wake(t.Context(), abi.WakeNever, false)
		release()
		got <- woken{run, err}
	}()
	select {
	case w := <-got:
		t.Fatalf("it did not wait: %+v", w)
	case <-time.After(20 * time.Millisecond):
	}
	e.w.set(func() { e.w.mute = false })
	if w := <-got; w.err == nil {
		t.Errorf("run %+v of a machine that nobody started", w.run)
	}
}

// TestEndOfAGenerationAhead ends, for those who are connected, a generation whose init
// was never met.
func TestEndOfAGenerationAhead(t *testing.T) {
	t.Parallel()
	e := unmet(t, nil)
	s := e.sandbox("s")
	run, release, err := s.Wake(t.Context(), "", false)
	defer release()
	if err != nil {
		t.Fatal(err)
	}
	e.w.machine("s").end(1, false)
	<-run.Ended
	var conn net.Conn
	if conn, err = s.DialRun(t.Context(), run.Generation, 8080); err == nil {
		conn.Close()
	}
	wantCode(t, err, abi.CodeSandboxExited)
}
