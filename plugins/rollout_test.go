package plugins

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/archive"
	"edge/plugins/wasmasm"
)

// trapping is a guest that fails at every request.
func trapping() []byte {
	g := newAsm()
	return g.module(wasmasm.Unreachable(), wasmasm.I32(0))
}

// newTrapping begins an asynchronous guest that traps. It does not import budget: an
// instance of one that does gets as many requests as come, before it served one too.
func newTrapping() *asm { return newAsmBut([]string{"secret_get", "budget"}) }

// trappingAsync is one that would hold many requests at once.
func trappingAsync() []byte {
	g := newTrapping()
	return g.async(wasmasm.Do(wasmasm.Unreachable(), wasmasm.I32(0)), nil, nil)
}

// trappingLate is one that waits in a call and traps when that is done.
func trappingLate() []byte {
	g := newTrapping()
	return g.async(wasmasm.Do(g.drop("op_start", req(), "exec", "{}"), wasmasm.I32(1)), wasmasm.Unreachable(), nil)
}

// answering is a guest that answers every request with a negative number.
func answering(n int32) []byte {
	g := newAsm()
	return g.module(wasmasm.I32(n))
}

// looping is a guest that never answers.
func looping() []byte {
	g := newAsm()
	return g.module(wasmasm.Forever(), wasmasm.I32(0))
}

// rollout is a bench whose plugin "p" has no file and serves "old".
func rollout(t *testing.T, config Config, changes ...func(*Spec)) (*bench, *Plugin) {
	t.Helper()
	b := newBench(t, config)
	spec := Spec{Name: "p", MaxInstances: 4, Secrets: map[string]string{"key": "x"}}
	for _, change := range changes {
		change(&spec)
	}
	p, err := b.Load(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	b.offer(t, responding("old"))
	return b, p
}

// offer offers a module to the plugin "p", which must take it.
func (b *bench) offer(t *testing.T, module []byte) {
	t.Helper()
	if err := b.Offer(t.Context(), "p", Module{Bytes: module, Origin: "a test"}); err != nil {
		t.Fatalf("offer: %v", err)
	}
}

// generation returns what the status tells of a digest.
func (b *bench) generation(t *testing.T, digest string) GenerationStatus {
	t.Helper()
	all := b.Status()[0].Generations
	for _, g := range all {
		if g.Digest == digest {
			return g
		}
	}
	t.Fatalf("no generation %s in %+v", short(digest), all)
	return GenerationStatus{}
}

// TestBadModulesCostLittle offers modules that are no good to a plugin under load:
// few requests fail, the old version serves, and log, status and history say why.
func TestBadModulesCostLittle(t *testing.T) {
	t.Parallel()
	corrupt := responding("corrupt")
	corrupt[len(corrupt)-20] ^= 0x55
	for name, tt := range map[string]struct {
		module   []byte
		deadline time.Duration
		refused  Step // empty: it serves at first
		why      string
		many     bool // callers
	}{
		"no module":        {[]byte("no module"), patience, StepMeter, "not a WebAssembly module", false},
		"corrupt":          {corrupt, patience, StepCompile, "compiling it", false},
		"ungranted":        {minimal(func(m *wasmasm.Module) { m.Import("edge1", "secret_get", "iiii", "I") }), patience, StepImports, "secret", false},
		"unknown import":   {minimal(func(m *wasmasm.Module) { m.Import("env", "f", "", "") }), patience, StepImports, "env.f", false},
		"starts not":       {minimal(func(m *wasmasm.Module) { m.Start(m.Func("", "", "", "", wasmasm.Unreachable())) }), patience, StepStart, "unreachable", false},
		"init fails":       {withInit(wasmasm.I32(3)), patience, StepInit, "DENIED", false},
		"self-test fails":  {minimal(func(m *wasmasm.Module) { m.Func("edge_selftest", "", "i", "", wasmasm.I32(12)) }), patience, StepSelfTest, "INTERNAL", false},
		"traps":            {trapping(), patience, "", "failed 3 times", false},
		"traps, async":     {trappingAsync(), patience, "", "failed 3 times", false},
		"many trap":        {trapping(), patience, "", "failed 3 times", true},
		"many trap, async": {trappingAsync(), patience, "", "failed 3 times", true},
		"many trap late":   {trappingLate(), patience, "", "failed 3 times", true},
		"answers no":       {answering(-12), patience, "", "failed 3 times", false},
		"never decides":    {answering(0), patience, "", "failed 3 times", false},
		"loops":            {looping(), 4 * time.Second, "", "did not answer", false}, // none of the good ones comes near that
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, p := rollout(t, Config{StateDir: t.TempDir(), Services: Services{Operations: operateFunc(
				func(context.Context, string, []byte) ([]byte, error) { return []byte("{}"), nil })}}, deadline(tt.deadline))
			if name == "ungranted" {
				p.spec.Secrets = nil
			}
			callers := 8
			if tt.many {
				callers = 100
			}
			ended, before := b.underLoad(t, p, callers, func() {
				err := b.Offer(t.Context(), "p", Module{Bytes: tt.module, Origin: "a test"})
				var refused *RefusedError
				switch {
				case tt.refused == "" && err != nil:
					t.Errorf("offer: %v", err)
				case tt.refused != "" && (!errors.As(err, &refused) || refused.Step != tt.refused || !strings.Contains(err.Error(), tt.why)):
					t.Errorf("offer: %v, want a refusal at %s with %q", err, tt.refused, tt.why)
				}
				kind := EventRolledBack
				if tt.refused != "" {
					kind = EventRefused
				}
				if e := b.event(t, kind); !strings.Contains(e.Err.Error(), tt.why) || e.Step == "" {
					t.Errorf("event %+v", e)
				}
			})
			t.Logf("%d of %d requests failed", ended.failed, ended.asked)
			if ended.failed > 20 || tt.refused != "" && ended.failed > 0 {
				t.Errorf("%d requests failed", ended.failed)
			}
			if p.Digest() != before {
				t.Error("the old version does not serve")
			}
			b.saysWhy(t, digestOf(tt.module), tt.refused, tt.why)
		})
	}
}

// saysWhy checks what is told of a module that was no good.
func (b *bench) saysWhy(t *testing.T, digest string, step Step, why string) {
	t.Helper()
	state, kind := StateRefused, EventRefused
	if step == "" {
		state, kind, step = StateRolledBack, EventRolledBack, StepService
	}
	if g := b.generation(t, digest); g.State != state || g.Step != step || !strings.Contains(g.Why, why) || g.LoadedAt.IsZero() {
		t.Errorf("status %+v", g)
	}
	i := slices.IndexFunc(b.History("p"), func(h HistoryEntry) bool { return h.Kind == kind && h.Digest == digest })
	if i < 0 {
		t.Fatalf("history %+v", b.History("p"))
	}
	if h := b.History("p")[i]; h.Step != step || !strings.Contains(h.Why, why) || h.Origin != "a test" || h.Time.IsZero() {
		t.Errorf("history %+v", h)
	}
	if log := b.book.String(); !strings.Contains(log, why) || !strings.Contains(log, "step="+string(step)) {
		t.Errorf("the log does not say why:\n%s", log)
	}
}

// loadResult is what became of the requests of a load.
type loadResult struct{ asked, failed int64 }

// underLoad runs f while callers ask the plugin without a pause, and returns what
// became of their requests and what served before.
func (b *bench) underLoad(t *testing.T, p *Plugin, callers int, f func()) (loadResult, string) {
	t.Helper()
	var asked, failed atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for !stop.Load() {
				asked.Add(1)
				if _, err := p.Decide(t.Context(), newRequest()); err != nil {
					failed.Add(1)
				}
			}
		})
	}
	before := p.Digest()
	f()
	for end := asked.Load() + 100; asked.Load() < end; {
		time.Sleep(time.Millisecond)
	}
	stop.Store(true)
	wg.Wait()
	return loadResult{asked.Load(), failed.Load()}, before
}

// TestQuarantine keeps a module that was given up out, over a restart too, until
// somebody asks for it.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	b, p := rollout(t, Config{StateDir: state})
	bad := trapping()
	b.offer(t, bad)
	for range 3 {
		_, err := p.Decide(t.Context(), newRequest())
		wantCode(t, err, abi.CodePluginFailed)
	}
	if got := bodyOf(t, decide(t, p, newRequest())); got != "old" {
		t.Fatalf("after the third failure got %q", got)
	}
	refusedFor := func(b *bench) {
		t.Helper()
		err := b.Offer(t.Context(), "p", Module{Bytes: bad})
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Step != StepQuarantine || !strings.Contains(err.Error(), "failed 3 times") {
			t.Fatalf("offer: %v", err)
		}
		if s := b.Status()[0]; len(s.Quarantine) != 1 || s.Quarantine[0].Digest != digestOf(bad) || s.Digest != digestOf(responding("old")) {
			t.Errorf("status %+v", s)
		}
		if g := b.generation(t, digestOf(bad)); g.State != StateQuarantined && g.State != StateRolledBack {
			t.Errorf("generation %+v", g)
		}
	}
	refusedFor(b)
	n := p.number
	refusedFor(b)
	if p.number != n {
		t.Error("a module that is known to be refused was tried again")
	}
	closeBench(t, b)

	b = newBench(t, Config{StateDir: state})
	p, err := b.Load(t.Context(), Spec{Name: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if got := bodyOf(t, decide(t, p, newRequest())); got != "old" {
		t.Errorf("after a restart got %q", got)
	}
	refusedFor(b)
	if err := b.Offer(t.Context(), "p", Module{Bytes: bad, Asked: true}); err != nil {
		t.Fatalf("asked for: %v", err)
	}
	if s := b.Status()[0]; len(s.Quarantine) != 0 || s.Digest != digestOf(bad) {
		t.Errorf("status %+v", s)
	}
	b.event(t, EventReadmitted)
}

func closeBench(t *testing.T, b *bench) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// TestSlowClientsGiveNothingUp misses deadlines in a new version because of the
// client alone: it stays.
func TestSlowClientsGiveNothingUp(t *testing.T) {
	t.Parallel()
	still(t, testSlowClientsGiveNothingUp)
}

func testSlowClientsGiveNothingUp(t *testing.T) {
	b, p := rollout(t, Config{}, deadline(50*time.Millisecond))
	g := newAsm()
	out := g.buffer(8)
	b.offer(t, deciding(g, g.call("req_body_read", req(), out)))
	for range 5 {
		r := newRequest()
		r.Body = &slowBody{cut: make(chan struct{})}
		_, err := p.Decide(t.Context(), r)
		wantCode(t, err, abi.CodeTimeout)
	}
	b.waitFor(t, "five timeouts", func() bool { return b.Status()[0].Generations[0].Timeouts == 5 })
	if s := b.Status()[0]; s.Generation != 2 || len(s.Quarantine) != 0 {
		t.Errorf("status %+v", s)
	}
}

// waitFor waits for a condition.
func (b *bench) waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s; status %+v\n%s", what, b.Status(), b.book)
		}
	}
}

// TestCanaryShare counts who serves: the canary takes its percentage of any
// hundred requests, and everything after its time.
func TestCanaryShare(t *testing.T) {
	t.Parallel()
	for _, percent := range []int{1, 10, 50, 99} {
		b, p := rollout(t, Config{}, func(s *Spec) { s.Canary = Canary{percent, time.Hour} })
		b.offer(t, responding("new"))
		b.event(t, EventCanary)
		for round := range 3 {
			count := map[string]int{}
			for range 100 {
				count[bodyOf(t, decide(t, p, newRequest()))]++
			}
			if count["new"] != percent || count["old"] != 100-percent {
				t.Errorf("round %d: %d %%, and the canary served %v", round, percent, count)
			}
		}
		s := b.Status()[0]
		if s.Generation != 1 || s.Generations[0].State != StateCanary || s.Generations[0].Percent != percent || s.Generations[0].Requests != uint64(3*percent) {
			t.Errorf("status %+v", s)
		}
		b.promote(p, p.canary.Load())
		b.event(t, EventPromoted)
		for range 100 {
			if got := bodyOf(t, decide(t, p, newRequest())); got != "new" {
				t.Fatalf("after its promotion got %q", got)
			}
		}
		if g := b.generation(t, digestOf(responding("old"))); g.State != StateWarm {
			t.Errorf("the old generation is %+v", g)
		}
	}
}

// TestCanaryPromotesItself waits for a canary's time to be over.
func TestCanaryPromotesItself(t *testing.T) {
	t.Parallel()
	b, p := rollout(t, Config{}, func(s *Spec) { s.Canary = Canary{10, 20 * time.Millisecond} })
	b.offer(t, responding("new"))
	b.event(t, EventPromoted)
	if got := bodyOf(t, decide(t, p, newRequest())); got != "new" {
		t.Errorf("got %q", got)
	}
}

// TestCanaryFails gives a canary up: no more requests fail than it may, and
// another takes its place.
func TestCanaryFails(t *testing.T) {
	t.Parallel()
	b, p := rollout(t, Config{}, func(s *Spec) { s.Canary = Canary{20, time.Hour}; s.Rollback.Failures = -1 })
	b.offer(t, trapping())
	failed := 0
	for range 200 {
		if _, err := p.Decide(t.Context(), newRequest()); err != nil {
			failed++
		}
	}
	if failed != DefaultRollbackFailures {
		t.Errorf("%d requests failed, want %d", failed, DefaultRollbackFailures)
	}
	if e := b.event(t, EventRolledBack); e.Step != StepCanary || e.Generation != 2 {
		t.Errorf("event %+v", e)
	}
	b.offer(t, responding("third"))
	b.offer(t, responding("fourth")) // before the third has stood its time
	b.waitFor(t, "drained third", func() bool { return len(b.Status()[0].Generations) == 3 })
	if s := b.Status()[0]; s.Generation != 1 || s.Generations[0].Number != 4 || s.Generations[0].State != StateCanary {
		t.Errorf("status %+v", s)
	}
	if err := b.Rollback(t.Context(), "p", ""); err != nil {
		t.Fatal(err)
	}
	if p.canary.Load() != nil || p.Generation() != 1 {
		t.Error("the canary serves on after a rollback")
	}
}

// TestRollbackByHand goes back to the warm version, to a kept one and forward
// again, and finds it so after a restart, until the file changes.
func TestRollbackByHand(t *testing.T) {
	t.Parallel()
	state, path := t.TempDir(), filepath.Join(t.TempDir(), "p.wasm")
	b := newBench(t, Config{StateDir: state})
	spec := Spec{Name: "p", Source: path}
	write := func(body string) {
		t.Helper()
		if err := os.WriteFile(path, responding(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func() *Plugin {
		t.Helper()
		p, err := b.Load(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	var p *Plugin
	for _, body := range []string{"1", "2", "3"} {
		write(body)
		p = load()
	}
	back := func(digest, want string) {
		t.Helper()
		if err := b.Rollback(t.Context(), "p", digest); err != nil {
			t.Fatalf("rollback %q: %v", digest, err)
		}
		if got := bodyOf(t, decide(t, p, newRequest())); got != want {
			t.Fatalf("after rollback %q got %q, want %q", digest, got, want)
		}
	}
	back("", "2")
	if n := p.number; n != 3 {
		t.Errorf("%d generations were made for a version that was warm", n)
	}
	back("", "3") // the one that served before
	back(digestOf(responding("1"))[:8], "1")
	if err := b.ReloadAll(t.Context()); err != nil { // the file has what it had
		t.Fatal(err)
	}
	back(digestOf(responding("1")), "1") // serves already
	for _, bad := range []string{"12345", "zzzzzz"} {
		if err := b.Rollback(t.Context(), "p", bad); err == nil {
			t.Errorf("rollback to %q was taken", bad)
		}
	}
	if err := b.Rollback(t.Context(), "q", ""); !errors.Is(err, ErrNoPlugin) {
		t.Errorf("rollback of no plugin: %v", err)
	}
	closeBench(t, b)

	b = newBench(t, Config{StateDir: state})
	p = load()
	if got := bodyOf(t, decide(t, p, newRequest())); got != "1" {
		t.Errorf("after a restart got %q", got)
	}
	if s := b.Status()[0]; s.Pinned != digestOf(responding("1")) || s.Source != path {
		t.Errorf("status %+v", s)
	}
	spec.Deadline = time.Minute
	p = load() // another specification
	if got := bodyOf(t, decide(t, p, newRequest())); got != "1" || p.Generation() != 2 {
		t.Errorf("under another specification got %q from generation %d", got, p.Generation())
	}
	write("4")
	if err := b.ReloadAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := bodyOf(t, decide(t, p, newRequest())); got != "4" {
		t.Errorf("after the file changed got %q", got)
	}
	closeBench(t, b)
	b = newBench(t, Config{StateDir: state})
	if got := bodyOf(t, decide(t, load(), newRequest())); got != "4" {
		t.Errorf("after another restart got %q", got)
	}
}

// TestRestart starts an edge anew with what another left behind.
func TestRestart(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before func(t *testing.T, b *bench, p *Plugin, path string)
		want   string
	}{
		"nothing happened": {func(*testing.T, *bench, *Plugin, string) {}, "file"},
		"an upload":        {func(t *testing.T, b *bench, _ *Plugin, _ string) { b.offer(t, responding("upload")) }, "upload"},
		"an upload, then a new file": {func(t *testing.T, b *bench, _ *Plugin, path string) {
			b.offer(t, responding("upload"))
			rewrite(t, path, responding("newer"))
		}, "newer"},
		"a file that is no good": {func(t *testing.T, _ *bench, _ *Plugin, path string) { rewrite(t, path, []byte("nothing")) }, ""},
		"a file that was given up": {func(t *testing.T, b *bench, p *Plugin, path string) {
			rewrite(t, path, trapping())
			if err := b.ReloadAll(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				_, _ = p.Decide(t.Context(), newRequest())
			}
		}, "file"},
		"an upload that was given up": {func(t *testing.T, b *bench, p *Plugin, _ string) {
			b.offer(t, trapping())
			for range 3 {
				_, _ = p.Decide(t.Context(), newRequest())
			}
		}, "file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state, path := t.TempDir(), writeModule(t, responding("file"))
			b := newBench(t, Config{StateDir: state})
			spec := Spec{Name: "p", Source: path}
			p, err := b.Load(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			tt.before(t, b, p, path)
			closeBench(t, b)
			b = newBench(t, Config{StateDir: state})
			if p, err = b.Load(t.Context(), spec); err != nil {
				if tt.want != "" || !errors.Is(err, ErrRefused) {
					t.Errorf("load: %v", err)
				}
			} else if got := bodyOf(t, decide(t, p, newRequest())); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if len(b.History("p")) < 2 {
				t.Errorf("history %+v", b.History("p"))
			}
		})
	}
}

// TestRestartAfterCanaries has more canaries follow each other than modules are kept:
// what serves is among these.
func TestRestartAfterCanaries(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	b, _ := rollout(t, Config{StateDir: state}, func(s *Spec) { s.Canary = Canary{50, time.Hour} })
	for n := range archive.MaxModules + 1 {
		b.offer(t, responding(fmt.Sprintf("canary %d", n)))
	}
	closeBench(t, b)
	b = newBench(t, Config{StateDir: state})
	p, err := b.Load(t.Context(), Spec{Name: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if got := bodyOf(t, decide(t, p, newRequest())); got != "old" {
		t.Errorf("got %q", got)
	}
}

// TestRestartInCanary goes on with a canary that a restart interrupted.
func TestRestartInCanary(t *testing.T) {
	t.Parallel()
	state, path := t.TempDir(), writeModule(t, responding("old"))
	spec := Spec{Name: "p", Source: path, Canary: Canary{50, time.Hour}}
	for range 2 {
		b := newBench(t, Config{StateDir: state})
		p, err := b.Load(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		rewrite(t, path, responding("new"))
		if err := b.ReloadAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for range 100 {
			count[bodyOf(t, decide(t, p, newRequest()))]++
		}
		if count["new"] != 50 {
			t.Errorf("served %v", count)
		}
		closeBench(t, b)
	}
}

func rewrite(t *testing.T, path string, module []byte) {
	t.Helper()
	if err := os.WriteFile(path, module, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOffer takes modules for a plugin without a file, with and without a state.
func TestOffer(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]string{"state": t.TempDir(), "no state": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{StateDir: state})
			if err := b.Offer(t.Context(), "p", Module{Bytes: responding("x")}); !errors.Is(err, ErrNoPlugin) {
				t.Errorf("offer to no plugin: %v", err)
			}
			p, err := b.Load(t.Context(), Spec{Name: "p"})
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Decide(t.Context(), newRequest())
			wantCode(t, err, abi.CodePluginFailed)
			for range 2 {
				b.offer(t, responding("1"))
			}
			if p.Generation() != 1 {
				t.Errorf("generation %d, want 1: the second offer was the same", p.Generation())
			}
			if _, err := b.Load(t.Context(), Spec{Name: "p", Deadline: time.Minute}); err != nil {
				t.Fatal(err)
			}
			if got := bodyOf(t, decide(t, p, newRequest())); got != "1" || p.Generation() != 2 {
				t.Errorf("under another specification got %q from generation %d", got, p.Generation())
			}
			big := Module{Bytes: make([]byte, maxModule+1)}
			var refused *RefusedError
			if err := b.Offer(t.Context(), "p", big); !errors.As(err, &refused) || refused.Step != StepRead {
				t.Errorf("a module that is too large: %v", err)
			}
		})
	}
}

// TestReplayGate asks the configured comparison before a module serves.
func TestReplayGate(t *testing.T) {
	t.Parallel()
	replay := func(ctx context.Context, spec Spec, trial *Trial) error {
		d, _, err := trial.Decide(ctx, newRequest(), Services{})
		if err != nil {
			return err
		}
		if got := string(d.(*abi.Respond).Body); spec.Replay != "requests.jsonl" || got == "bad" {
			return errors.New("line 1: it answers " + got)
		}
		return nil
	}
	withReplay := func(s *Spec) { s.Replay = "requests.jsonl" }
	b, p := rollout(t, Config{Replay: replay}, withReplay)
	err := b.Offer(t.Context(), "p", Module{Bytes: responding("bad")})
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Step != StepReplay || !strings.Contains(err.Error(), "line 1: it answers bad") {
		t.Errorf("offer: %v", err)
	}
	b.offer(t, responding("good"))
	if got := bodyOf(t, decide(t, p, newRequest())); got != "good" {
		t.Errorf("got %q", got)
	}
	b = newBench(t, Config{})
	if _, err := b.Load(t.Context(), Spec{Name: "p", Source: writeModule(t, responding("x")), Replay: "r"}); !errors.Is(err, ErrRefused) {
		t.Errorf("load without a comparison: %v", err)
	}
}

// TestKeepWarm lets the previous version go when its time is over, and only that
// one stay.
func TestKeepWarm(t *testing.T) {
	t.Parallel()
	b, _ := rollout(t, Config{}, func(s *Spec) { s.Rollback.Failures = -1; s.KeepWarm = 50 * time.Millisecond })
	b.offer(t, responding("new"))
	if e := b.event(t, EventDrained); e.Generation != 1 {
		t.Errorf("generation %d drained", e.Generation)
	}
	b, _ = rollout(t, Config{})
	b.offer(t, responding("2"))
	b.offer(t, responding("3"))
	if e := b.event(t, EventDrained); e.Generation != 1 {
		t.Errorf("generation %d drained", e.Generation)
	}
	if g := b.generation(t, digestOf(responding("2"))); g.State != StateWarm || g.Instances != 1 {
		t.Errorf("the previous version is %+v", g)
	}
}

// TestCounters counts requests, failures and timeouts of each generation.
func TestCounters(t *testing.T) {
	t.Parallel()
	b, p := rollout(t, Config{}, func(s *Spec) { s.Rollback.Failures = -1 })
	for range 7 {
		decide(t, p, newRequest())
	}
	g := newAsm()
	out := g.buffer(8)
	b.offer(t, deciding(g, wasmasm.Do(
		g.call("req_get", req(), 1, out), wasmasm.Wrap(), wasmasm.I32(3), wasmasm.Equal(), // GET
		wasmasm.If(g.drop("next", req()), nil),
		g.call("req_get", req(), 1, out), wasmasm.Wrap(), wasmasm.I32(4), wasmasm.Equal(), // POST
		wasmasm.If(wasmasm.Unreachable(), nil),
		g.call("req_get", req(), 1, out), wasmasm.Wrap(), wasmasm.I32(5), wasmasm.Equal(), // PATCH
		wasmasm.If(wasmasm.Forever(), nil),
		g.call("next", req()))))
	short, cancel := context.WithTimeout(t.Context(), time.Second) // it is counted if it has begun by then
	defer cancel()
	for _, ask := range []struct {
		ctx    context.Context
		method string
	}{{short, "PATCH"}, {t.Context(), "GET"}, {t.Context(), "GET"}, {t.Context(), "POST"}, {t.Context(), "GET"}} {
		r := newRequest()
		r.Method = ask.method
		_, _ = p.Decide(ask.ctx, r)
	}
	b.waitFor(t, "timeout", func() bool { return b.Status()[0].Generations[0].Timeouts == 1 })
	s := b.Status()[0].Generations
	if c := s[0].Counters; c.Requests != 5 || c.Failures != 1 {
		t.Errorf("the new one: %+v", c)
	}
	if c := s[1].Counters; c.Requests != 7 || c.Failures != 0 || c.Timeouts != 0 {
		t.Errorf("the old one: %+v", c)
	}
}
