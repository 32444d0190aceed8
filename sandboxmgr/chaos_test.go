package sandboxmgr

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
)

// The chaos is this many operations, of these many callers, on these many ids.
const (
	chaosRounds  = 10_000
	chaosCallers = 20
	chaosIDs     = 10
)

// TestChaos races everything that changes a sandbox. What must hold: nobody
// hangs, no error but those that a race explains, generations only grow, at most
// one machine for each id; and after the last destroy nothing is left, neither
// recorded nor running nor in a folder. That no goroutine is left is tested for
// all tests together.
func TestChaos(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), func(c *Config) {
		c.ReconcileEvery = 20 * time.Millisecond
		binding(func(b *Binding) { b.SleepAfter, b.Warm, b.DeleteAfter = 50*time.Millisecond, 2, time.Second })(c)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for caller := range chaosCallers {
		wg.Go(func() {
			c := chaos{e: e, rng: rand.New(rand.NewPCG(1, uint64(caller))), newest: map[string]int64{}}
			for range chaosRounds / chaosCallers {
				c.round(ctx, t)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		t.Fatal("somebody hung")
	}
	w.set(func() { t.Logf("%d machines were started, %d removed", w.starts, w.removes) })
	nothingIsLeft(t, e)
}

// chaos is one caller.
type chaos struct {
	e      *edge
	rng    *rand.Rand
	newest map[string]int64
}

// round does one operation on one sandbox.
func (c *chaos) round(ctx context.Context, t *testing.T) {
	id := fmt.Sprint("id-", c.rng.IntN(chaosIDs))
	s := c.e.sandbox(id)
	var err error
	switch c.rng.IntN(14) {
	case 0, 1, 2:
		var run Run
		if run, err = s.Running(ctx); err == nil {
			if run.Generation < c.newest[id] {
				t.Errorf("generation %d after %d", run.Generation, c.newest[id])
			}
			c.newest[id] = run.Generation
		}
	case 3, 4, 5:
		_, err = s.Exec(ctx, &abi.ExecRequest{Command: "x"})
	case 6, 7:
		_, err = s.ExposePort(ctx, &abi.ExposePortRequest{Port: 8080 + c.rng.IntN(3)})
	case 8:
		_, err = s.UnexposePort(ctx, &abi.UnexposePortRequest{Port: 8080 + c.rng.IntN(3)})
	case 9:
		_, err = s.Stop(ctx, &abi.StopRequest{})
	case 10:
		_, err = s.Destroy(ctx, &abi.Empty{})
	case 11:
		_, err = s.SetEnvVars(ctx, vars("N", fmt.Sprint(c.rng.IntN(100))))
	case 12:
		// Calls that are under way stand still until somebody resumes it.
		if _, err = s.Pause(ctx, &abi.Empty{}); err == nil {
			_, err = s.Resume(ctx, &abi.Empty{})
		}
	case 13:
		c.trouble(ctx, t, s)
	}
	if err != nil && !explained(err) {
		t.Errorf("%s: %v", id, err)
	}
}

// trouble is what befalls a sandbox from outside.
func (c *chaos) trouble(ctx context.Context, t *testing.T, s *Sandbox) {
	switch c.rng.IntN(3) {
	case 0:
		if m := c.e.w.machine(s.key.id); m != nil {
			m.end(137, false)
		}
	case 1: // a caller who gives up
		brief, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		_, _ = s.Exec(brief, &abi.ExecRequest{Command: "x"})
	case 2:
		_, release, err := s.Wake(ctx, "", c.rng.IntN(2) == 0)
		release()
		if err != nil && !explained(err) {
			t.Errorf("wake: %v", err)
		}
	}
}

// explained tells whether an error is one that a stop, a destroy or a kill which
// came at the same time brings about.
func explained(err error) bool {
	return errors.Is(err, abi.CodeSandboxExited.Err())
}

// nothingIsLeft destroys every sandbox and looks for remains.
func nothingIsLeft(t *testing.T, e *edge) {
	t.Helper()
	for i := range chaosIDs {
		if _, err := e.sandbox(fmt.Sprint("id-", i)).Destroy(t.Context(), &abi.Empty{}); err != nil {
			t.Errorf("destroy: %v", err)
		}
	}
	eventually(t, "no units", func() bool { e.Manager.mu.Lock(); defer e.Manager.mu.Unlock(); return len(e.units) == 0 })
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	e.w.mu.Lock()
	for name := range e.w.machines {
		t.Errorf("machine %s is left", name)
	}
	e.w.mu.Unlock()
	for k := range e.disk.entries {
		if k != "owner" && k != signKeyEntry && k != activityKey && !strings.HasPrefix(k, highestPrefix) {
			t.Errorf("record %s is left", k)
		}
	}
	dirs, err := os.ReadDir(e.config.StateDir + "/run")
	if err != nil || len(dirs) != 0 {
		t.Errorf("run folders %v, %v", dirs, err)
	}
	if n := len(e.exposures.byLabel) + len(e.exposures.bySandbox); n != 0 {
		t.Errorf("%d exposures are left", n)
	}
}
