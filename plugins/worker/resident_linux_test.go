package worker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins"
)

// BenchmarkResident is what a hundred isolates of a Worker that have served ten requests
// each hold of memory, in kibibytes of one, without the code that they share with others.
func BenchmarkResident(b *testing.B) {
	const isolates, rounds = 100, 10
	module := build(b, `import { getSandbox } from '@cloudflare/sandbox';
		export default { async fetch(request: Request, env: any) {
			const { pathname } = new URL(request.url);
			await getSandbox(env.Sandbox, 's').startProcess('x');
			return Response.json({ pathname });
		} };`)
	for b.Loop() {
		sandbox := &meeting{n: isolates}
		r, log := register(b, plugins.Services{Operations: operate(sandbox.operate)})
		load(b, r, module, func(s *plugins.Spec) { s.Name = "first" }) // which has the code
		before := resident(b)
		p := load(b, r, module, func(s *plugins.Spec) {
			s.MinInstances, s.MaxInstances, s.MaxOpen, s.Queue = isolates, isolates, 1, time.Minute
		})
		for range rounds {
			sandbox.met = make(chan struct{})
			var wg sync.WaitGroup
			for range isolates {
				wg.Go(func() {
					if got := ask(b, p, request("/a")); got != `{"pathname":"/a"}` {
						b.Error(got, log)
					}
				})
			}
			wg.Wait()
		}
		b.ReportMetric(float64(resident(b)-before)/isolates, "KiB/isolate")
		if err := r.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// meeting is a sandbox whose operations are done when n have begun.
type meeting struct {
	n   int
	met chan struct{} // a round's

	mu    sync.Mutex
	begun int
}

func (m *meeting) operate(_ context.Context, _ string, _ json.RawMessage) (json.RawMessage, error) {
	m.mu.Lock()
	met := m.met
	if m.begun++; m.begun == m.n {
		m.begun = 0
		close(met)
	}
	m.mu.Unlock()
	<-met
	return json.Marshal(abi.Process{ID: "p", PID: 42})
}

// resident is the process's share of what memory it has (Pss), in KiB.
func resident(b *testing.B) (kib int) {
	b.Helper()
	goruntime.GC()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		b.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "Pss: %d kB", &kib); n == 1 {
			return kib
		}
	}
	b.Fatal("/proc/self/smaps_rollup has no Pss")
	return 0
}
