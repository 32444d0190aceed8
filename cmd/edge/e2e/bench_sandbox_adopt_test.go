package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"edge/abi"
)

// BenchmarkSandboxAdopt kills the edge and starts it again: how long it takes,
// from when the admin API can be reached, until every sandbox answers.
func BenchmarkSandboxAdopt(b *testing.B) {
	const sandboxes, goal, rounds = 20, 250 * time.Millisecond, 5
	for _, runtime := range benchRuntimes(b) {
		e := newEdge(b, guestSettings(b, runtime))
		boxes := make([]*box, sandboxes)
		for i := range boxes {
			boxes[i] = &box{e: e, id: fmt.Sprintf("adopt-%d", i)}
		}
		eachBox(boxes, 4, func(x *box) {
			mustCall(b, x, abi.StartProcess, &abi.StartProcessRequest{ProcessID: "server", Argv: serverArgv(guestPort)})
		})
		var all, first times
		for range rounds {
			e.kill()
			answered := make(chan [2]time.Duration)
			go func() { answered <- answersFrom(b, boxes) }()
			e.start()
			took := <-answered
			first, all = append(first, took[0]), append(all, took[1])
		}
		figure(b, fmt.Sprintf("%d sandboxes adopted after kill -9, %s", sandboxes, runtime),
			"the first answers after "+short(first.p50()), "every one after p50 "+atMost(all.p50(), goal), "slowest "+short(all.quantile(1)))
	}
}

// answersFrom waits until the admin API can be reached, and asks every sandbox at
// once for its server from then on. It returns when the first and the last had
// answered, counted from then.
func answersFrom(b *testing.B, boxes []*box) (took [2]time.Duration) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		c, err := boxes[0].e.adminDial(context.Background(), "", "")
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			b.Errorf("no admin API within %s: %v", patience, err)
			return took
		}
	}
	began := time.Now()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, x := range boxes {
		wg.Go(func() {
			var p abi.Process
			err := x.call(abi.GetProcess.Name(), &abi.ProcessRequest{ProcessID: "server"}, &p)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || p.Status != abi.StatusRunning {
				b.Errorf("%s: %+v, %v", x.id, p, err)
			}
			now := time.Since(began)
			if took[0] == 0 {
				took[0] = now
			}
			took[1] = now
		})
	}
	wg.Wait()
	return took
}
