package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"edge/abi"
)

// racingRounds is how many things are done at the same time to the same few
// sandboxes: some among the other tests, 10,000 in "make soak".
func racingRounds() int64 {
	if n, err := strconv.Atoi(os.Getenv("EDGE_RACING_ROUNDS")); err == nil {
		return int64(n)
	}
	return 400
}

// TestRacing has twenty callers start, use, expose, stop and destroy ten
// sandboxes at random. What they are told may be that somebody else was faster,
// never an internal error; and when all is destroyed nothing is left: no
// process, no zombie, no descriptor, no record.
func TestRacing(t *testing.T) {
	eachRuntime(t, func(t *testing.T, runtime string) {
		e := newEdge(t, settings{runtime: runtime})
		owner := e.owner() // one sandbox came and went: what is kept for good is there
		before := e.descriptors()
		rounds := racingRounds()
		var done, refused atomic.Int64
		var wg sync.WaitGroup
		for caller := range 20 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(caller), 2))
				for done.Add(1) <= rounds {
					b := &box{e: e, id: fmt.Sprintf("box-%d", r.IntN(10))}
					err := b.anything(r)
					if err == nil {
						continue
					}
					refused.Add(1)
					var said *abi.Error
					if !errors.As(err, &said) || said.Code == abi.CodeInternal {
						t.Errorf("%s of %s: %v", b.last, b.id, err)
					}
				}
			})
		}
		wg.Wait()
		t.Logf("%d rounds, %d of them refused", rounds, refused.Load())
		for i := range 10 {
			if err := (&box{e: e, id: fmt.Sprintf("box-%d", i)}).call(abi.Destroy.Name(), nil, nil); err != nil {
				t.Error(err)
			}
		}
		e.eventually("descriptors and zombies are gone", func() error {
			if now, zombies := e.descriptors(), e.zombies(); now > before || zombies > 0 {
				return fmt.Errorf("%d descriptors, %d before; %d zombies", now, before, zombies)
			}
			return nil
		})
		e.stop()
		e.nothingLeft(runtime, owner)
	})
}

// anything does one thing to the sandbox.
func (b *box) anything(r *rand.Rand) error {
	switch n := r.IntN(12); {
	case n < 3:
		return b.call(abi.Exec.Name(), abi.ExecRequest{Argv: []string{"true"}}, nil)
	case n < 5:
		return b.call(abi.Start.Name(), nil, nil)
	case n < 7:
		return b.call(abi.ExposePort.Name(), abi.ExposePortRequest{Port: 9000 + r.IntN(3)}, nil)
	case n < 8:
		return b.call(abi.UnexposePort.Name(), abi.UnexposePortRequest{Port: 9000 + r.IntN(3)}, nil)
	case n < 9:
		return b.call(abi.StartProcess.Name(), abi.StartProcessRequest{Argv: []string{"sleep", "1000"}}, nil)
	case n < 11:
		return b.call(abi.Stop.Name(), abi.StopRequest{Grace: abi.Duration(1e6)}, nil)
	}
	return b.call(abi.Destroy.Name(), nil, nil)
}

// descriptors counts the edge's open ones, its connections of this moment
// included.
func (e *edge) descriptors() int {
	e.t.Helper()
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(e.cmd.Process.Pid), "fd"))
	if err != nil {
		e.t.Fatal(err)
	}
	return len(entries)
}

// zombies counts the edge's children that have ended and were not waited for.
func (e *edge) zombies() (n int) {
	parent := fmt.Sprintf("PPid:\t%d\n", e.cmd.Process.Pid)
	statuses, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, file := range statuses {
		b, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(b), parent) && strings.Contains(string(b), "State:\tZ") {
			n++
		}
	}
	return n
}
