package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins"
	"edge/plugins/worker"
)

// The benchmarks whose names begin with BenchmarkWorkers measure what Workers in
// TypeScript cost, as those of sandboxes do (bench_sandbox_test.go): a line for each
// figure with its goal, both sides of a ratio in turns, run once, by make bench-workers.

// startedAtOnce is an operation that is done already.
type startedAtOnce struct{}

func (startedAtOnce) Operate(_ context.Context, _ string, body json.RawMessage) (json.RawMessage, error) {
	var asked struct{ ProcessID string }
	if err := json.Unmarshal(body, &asked); err != nil {
		return nil, err
	}
	return json.Marshal(abi.Process{ID: asked.ProcessID, PID: 7, Status: "running"})
}

// BenchmarkWorkersIsolate is what of the processor a request takes in an isolate: a
// plain one, and one that starts a process in its sandbox and connects to it. The
// operation itself takes no time. The least of many rounds is told beside the median,
// because the machine's other work only adds.
func BenchmarkWorkersIsolate(b *testing.B) {
	const rounds, each = 40, 250
	engine, err := os.ReadFile(filepath.Join(root, "cmd", "edge", "assets", "quickjs.wasm"))
	if err != nil {
		b.Fatal(err)
	}
	cache := filepath.Join(root, "build", "cache")
	builder := worker.New(worker.Config{Engine: engine, CacheDir: cache})
	registry, err := plugins.NewRegistry(plugins.Config{Services: plugins.Services{Operations: startedAtOnce{}}, CacheDir: cache})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(registry.Close(context.Background()), builder.Close()); err != nil {
			b.Error(err)
		}
	})
	plain, connecting := upgrade(), upgrade()
	plain.Headers = []abi.Header{{Name: "Host", Value: "localhost:8787"}, {Name: "User-Agent", Value: "bench/1"}}
	for _, w := range []struct {
		name, file string
		request    *abi.Request
		goal       time.Duration
	}{
		{"a plain request", "plain.ts", plain, 80 * time.Microsecond},
		{"startProcess awaited, then wsConnect", "ws.ts", connecting, 120 * time.Microsecond},
	} {
		built, err := builder.Build(b.Context(), filepath.Join(root, "plugins", "worker", "testdata", w.file))
		if err != nil {
			b.Fatal(err)
		}
		module := filepath.Join(b.TempDir(), "worker.wasm")
		if err := os.WriteFile(module, built.Module, 0o600); err != nil {
			b.Fatal(err)
		}
		p, err := registry.Load(b.Context(), plugins.Spec{Name: strings.TrimSuffix(w.file, ".ts"), Source: module, MaxInstances: 1, Bindings: plugins.Bindings{Sandboxes: map[string]string{"Sandbox": "Sandbox"}}})
		if err != nil {
			b.Fatal(err)
		}
		var took times
		for range rounds {
			before := processorTime(b)
			for range each {
				if _, err := p.Decide(b.Context(), w.request); err != nil {
					b.Fatal(err)
				}
			}
			took = append(took, (processorTime(b)-before)/each)
		}
		figure(b, w.name+", of the processor", atMost(took.quantile(0), w.goal), "median "+short(took.p50()))
	}
}

// BenchmarkWorkersReload saves a Worker's source under edge dev again and again, and
// takes the time until the new code has answered.
func BenchmarkWorkersReload(b *testing.B) {
	const saves = 40
	dir := b.TempDir()
	file := filepath.Join(dir, "worker.ts")
	save := func(n int) {
		next := file + ".next"
		source := fmt.Sprintf("export default { fetch: (request: Request) => new Response(`${new URL(request.url).pathname} %d`) };\n", n)
		if err := errors.Join(os.WriteFile(next, []byte(source), 0o644), os.Rename(next, file)); err != nil {
			b.Fatal(err)
		}
	}
	save(0)
	e := &edge{t: b, addr: freeAddr(b), state: filepath.Join(dir, "s"), config: filepath.Join(dir, "edge.yaml"), command: []string{"dev", dir}}
	s := settings{runtime: "process", plugins: map[string]string{"worker": "worker.ts"}, routes: [][2]string{{"/*", "worker"}}}
	if err := os.WriteFile(e.config, s.yaml(e), 0o600); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(e.cleanSandboxes)
	e.start()
	client := http.Client{Transport: &http.Transport{}}
	b.Cleanup(client.CloseIdleConnections)
	answers := func(n int) bool {
		resp, err := client.Get("http://" + e.addr + "/a")
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			b.Fatal(err)
		}
		return string(body) == fmt.Sprint("/a ", n)
	}
	var took times
	for n := 1; n <= saves; n++ {
		began := time.Now()
		save(n)
		for !answers(n) {
			if time.Since(began) > patience {
				b.Fatalf("save %d is not served:\n%s", n, e.log)
			}
			time.Sleep(time.Millisecond)
		}
		took = append(took, time.Since(began))
	}
	figure(b, "from a save to its answer, edge dev", atMost(took.p50(), 30*time.Millisecond), took.String())
}

// BenchmarkWorkersNewIsolate compares requests that have an isolate each with those that
// share one: the difference is a new isolate and its end.
func BenchmarkWorkersNewIsolate(b *testing.B) {
	const rounds, requests = 30, 200
	source := map[string]string{"one": `export default { fetch: () => new Response("hello") };`}
	addrs := map[string]*side{}
	for _, isolation := range []string{"pooled", "fresh"} {
		w := newWorkers(b, settings{runtime: "process", pluginKeys: ", isolation: " + isolation}, source)
		addrs[isolation] = &side{pid: w.cmd.Process.Pid, addr: w.addr}
	}
	client := http.Client{Transport: &http.Transport{}}
	b.Cleanup(client.CloseIdleConnections)
	for range rounds {
		for _, s := range addrs {
			s.turn(b, requests, func(addr string, n int) {
				for range n {
					resp, err := client.Get("http://" + addr + "/one")
					if err != nil {
						b.Fatal(err)
					}
					if err := drain(resp); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	fresh, pooled := addrs["fresh"], addrs["pooled"]
	each := func(s *side) time.Duration { return time.Duration(float64(time.Second) / median(s.rates)) }
	figure(b, "a new isolate, by a request that has one to itself", atMost(each(fresh)-each(pooled), time.Millisecond),
		fmt.Sprintf("%s of the processor", short(fresh.cost()-pooled.cost())))
}

// BenchmarkWorkersMemory is what an isolate that has served nobody yet adds to the memory
// of the edge. Both edges run when they are looked at: what they share, the program's own
// pages above all, counts for neither. What an isolate has after requests is
// BenchmarkResident of plugins/worker.
func BenchmarkWorkersMemory(b *testing.B) {
	const isolates = 40
	const goal = 3 << 20
	source := map[string]string{"one": `export default { fetch: () => new Response("hello") };`}
	with := func(n int) *workers {
		w := newWorkers(b, settings{runtime: "process", pluginKeys: fmt.Sprintf(", instances: {min: %d, max: %[1]d}", n)}, source)
		w.ask("/one", nil)
		w.eventually("the isolates are there", func() error {
			if have := w.sum(`edge_plugin_instances\{.*plugin="one"`); have != float64(n) {
				return fmt.Errorf("%v of %d", have, n)
			}
			return nil
		})
		w.quiet()
		return w
	}
	few, many := with(1), with(1+isolates)
	each := (private(many.cmd.Process.Pid) - private(few.cmd.Process.Pid)) / isolates
	figure(b, "an isolate's memory, before it serves", fmt.Sprintf("%s (goal <= %s: %s)", mebibytes(each), mebibytes(goal), verdict(each <= goal)))
}

// BenchmarkWorkersInFlight has a thousand requests of one isolate wait for the start of
// a sandbox, and tells what each of them holds.
func BenchmarkWorkersInFlight(b *testing.B) {
	const clients = 1000
	w, open := gatedWorkers(b)
	w.ask("/waiting/count", nil)
	w.quiet()
	before := private(w.cmd.Process.Pid)
	others := w.waitTogether(clients)
	during := private(w.cmd.Process.Pid)
	began := time.Now()
	open()
	all := others()
	isolate, _, _ := strings.Cut(all[0], " ")
	answered := 0
	for n, answer := range all {
		if answer == fmt.Sprintf("%s %d up\n", isolate, n) {
			answered++
		}
	}
	figure(b, "requests of one isolate that wait for a sandbox", fmt.Sprintf("%d, of which %d were answered by it (goal %d: %s)", clients, answered, clients, verdict(answered == clients)),
		fmt.Sprintf("%.1f KiB each, all answered %s after the sandbox could start", float64(during-before)/clients/1024, short(time.Since(began))))
}
