package plugins

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// TestOpenThousand has one instance of little memory hold a thousand requests, each of
// which waits for an operation with a text of some size.
func TestOpenThousand(t *testing.T) {
	t.Parallel()
	const n = 1000
	g := newAsm()
	g.Custom("edge1", []byte(`{"open": 1024, "perCore": 1}`))
	id, buf := g.buffer(64), g.buffer(4096)
	body := g.Bytes(make([]byte, 4<<10))
	module := g.async(
		pending(g.call("req_get", req(), 7, id), wasmasm.Wrap(), wasmasm.Set(1),
			g.drop("op_start", req(), wasmasm.Do(wasmasm.I32(int32(id.ptr)), wasmasm.Get(1)), wasmasm.Do(wasmasm.I32(int32(body)), wasmasm.I32(4<<10)))),
		g.answerResult(buf), nil)
	started, release := make(chan string, n), make(chan struct{})
	operate := operateFunc(func(ctx context.Context, name string, _ []byte) ([]byte, error) {
		started <- name
		select {
		case <-release:
			return []byte(name), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	b := newBench(t, Config{Services: Services{Operations: operate}})
	p := b.load(t, module, func(s *Spec) { s.MaxInstances, s.Memory = 1, 1<<20 })
	got := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			r := newRequest()
			r.ID = fmt.Sprint("r", i)
			d, err := p.Decide(t.Context(), r)
			if answer, ok := d.(*abi.Respond); ok && err == nil {
				got[i] = string(answer.Body)
			} else {
				got[i] = fmt.Sprint(d, err)
			}
		})
	}
	open := map[string]bool{}
	for range n {
		select {
		case name := <-started:
			open[name] = true
		case <-time.After(patience):
			t.Fatalf("%d requests wait for their operation, want %d", len(open), n)
		}
	}
	if size := p.current.Load().pool.size(); size != 1 || len(open) != n {
		t.Errorf("%d requests are open in %d instances, want %d in 1", len(open), size, n)
	}
	close(release)
	wg.Wait()
	for i, answer := range got {
		if want := fmt.Sprint("r", i); answer != want {
			t.Fatalf("request %s got %q", want, answer)
		}
	}
}

// TestSpread has requests find an instance whose guest is not at work, if there may be
// one, and share instances whose guests all are.
func TestSpread(t *testing.T) {
	t.Parallel()
	g := newAsm()
	id, buf := g.buffer(64), g.buffer(64)
	operation := wasmasm.Do(wasmasm.I32(int32(id.ptr)), wasmasm.Get(1))
	module := g.async(
		wasmasm.Do(g.call("req_get", req(), 7, id), wasmasm.Wrap(), wasmasm.Set(1),
			g.drop("op", req(), operation, "{}", buf), // the guest is at work until it is done
			g.drop("respond", req(), 200, "", "done"), wasmasm.I32(0)),
		nil, nil)
	started, release := make(chan string, 10), make(chan struct{})
	operate := operateFunc(func(ctx context.Context, name string, _ []byte) ([]byte, error) {
		started <- name
		if name != "held" {
			return []byte(`{}`), nil
		}
		select {
		case <-release:
			return []byte(`{}`), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	b := newBench(t, Config{Services: Services{Operations: operate}})
	b.slots.size = 2
	p := b.load(t, module, func(s *Spec) { s.MaxInstances = 4 })
	ask := func(id string) error {
		r := newRequest()
		r.ID = id
		_, err := p.Decide(t.Context(), r)
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := ask("held"); err != nil {
			t.Error(err)
		}
	})
	if name := <-started; name != "held" {
		t.Fatal(name)
	}
	second := make(chan error, 1)
	wg.Go(func() { second <- ask("second") }) // has another made, and may wait for the first
	pool := p.current.Load().pool
	b.waitFor(t, "a second instance", func() bool { return len(spares(pool)) == 2 })
	for i := range 20 {
		if err := ask(fmt.Sprint("r", i)); err != nil {
			t.Error(err)
		}
		<-started
	}
	if n := pool.size(); n != 2 {
		t.Errorf("there are %d instances, want 2: as many as can be at work", n)
	}
	close(release)
	if err := <-second; err != nil {
		t.Error(err)
	}
	wg.Wait()
}

// spares returns the instances with room.
func spares(p *pool) []*instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*instance(nil), p.spare...)
}
