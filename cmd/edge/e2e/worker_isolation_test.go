package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// oneIsolate has all requests of a Worker in one isolate.
const oneIsolate = ", instances: {max: 1}"

// TestWorkerIsolates has requests do what ends them, one after the other, while a
// hundred others wait in the same isolate: nobody but them notices, and the same
// isolate answers the hundred.
func TestWorkerIsolates(t *testing.T) {
	// What is to end for another reason computes for a small part of that, also where
	// the machine is busy: all the time that passes meanwhile counts.
	s := settings{runtime: "process", pluginKeys: oneIsolate + ", compute: 3s"}
	w := newWorkers(t, s, map[string]string{"hostile": ownWorker(t, "hostile.ts")})
	isolate := w.ask("/hostile/id", nil)
	others := w.begin(100, "/hostile/wait?n=")
	w.eventually("a hundred wait", func() error {
		if n := w.ask("/hostile/waiting", nil); n != "100" {
			return errors.New(n)
		}
		return nil
	})
	const bomb = "out of memory|computed for longer" // whichever is reached first
	for _, bad := range []struct {
		deed   string
		status int
		says   string // in the log: one of these, "|" between them
	}{
		{"loop", 500, "hostile.ts:"}, {"loop-later", 500, "hostile.ts:"}, {"regexp", 500, ""}, {"jobs", 500, ""},
		{"objects", 500, bomb}, {"bytes", 500, bomb}, {"promises", 500, bomb},
		{"recursion", 500, "RangeError"}, {"recursion-caught", 200, ""}, {"memory-caught", 200, ""},
		{"throws", 500, "thrown on purpose"}, {"nothing", 500, "did not return a Response, but undefined"}, {"rejection", 200, "nobody handles this"}, {"twice", 500, "TypeError"},
	} {
		t.Run(bad.deed, func(t *testing.T) {
			logged := len(w.log.String())
			began := time.Now()
			status, body := w.post(t, "/hostile/"+bad.deed, "a body")
			t.Logf("%d after %v: %.200s", status, time.Since(began).Round(time.Millisecond), body)
			if status != bad.status && (bad.status != 500 || status < 500) {
				t.Errorf("status %d, want %d", status, bad.status)
			}
			if bad.status == 200 && bad.deed != "rejection" && !strings.HasPrefix(body, "caught ") {
				t.Errorf("answered %q", body)
			}
			if bad.status == 500 && strings.Contains(body, "hostile.ts") {
				t.Errorf("the client is told of the source: %q", body)
			}
			w.eventually("the log says why", func() error {
				said := w.log.String()[logged:]
				for one := range strings.SplitSeq(bad.says, "|") {
					if strings.Contains(said, one) {
						return nil
					}
				}
				return fmt.Errorf("it says %.500q, want %q", said, bad.says)
			})
			if got := w.ask("/hostile/id", nil); got != isolate {
				t.Errorf("%s is served by the isolate %s, was %s", bad.deed, got, isolate)
				isolate = got
			}
			if n := w.ask("/hostile/waiting", nil); n != "100" {
				t.Errorf("%s wait, want 100", n)
			}
		})
	}
	w.ask("/hostile/release", nil)
	for n, answer := range others() {
		if want := fmt.Sprint(isolate, " ", n); answer != want {
			t.Errorf("request %d: %q, want %q", n, answer, want)
		}
	}
}

// TestWorkerNeverAnswers wants a promise that nothing can resolve any more told at
// once, and not when the deadline comes.
func TestWorkerNeverAnswers(t *testing.T) {
	w := newWorkers(t, settings{runtime: "process", pluginKeys: ", deadline: 10m"}, map[string]string{"hostile": ownWorker(t, "hostile.ts")})
	if status, body := w.post(t, "/hostile/never", ""); status != 500 || !strings.Contains(body, "PLUGIN_FAILED") {
		t.Errorf("%d %s", status, body)
	}
	w.said("never")
}

// begin makes n requests at once, each for the path with its number. The function that
// it returns waits for their answers, in order, status and text for those that failed.
func (w *workers) begin(n int, path string) (answers func() []string) {
	got := make([]string, n)
	var wg sync.WaitGroup
	c := http.Client{Timeout: 2 * patience, Transport: &http.Transport{MaxIdleConns: n, MaxIdleConnsPerHost: n}}
	for i := range n {
		wg.Go(func() {
			resp, err := c.Get("http://" + w.addr + path + strconv.Itoa(i))
			if err != nil {
				got[i] = err.Error()
				return
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if got[i] = string(body); err != nil || resp.StatusCode != 200 {
				got[i] = fmt.Sprint(resp.Status, " ", err, " ", got[i])
			}
		})
	}
	return func() []string {
		wg.Wait()
		c.CloseIdleConnections()
		return got
	}
}

// post sends a body and returns the answer, whatever it is.
func (w *workers) post(t testing.TB, path, body string) (status int, answer string) {
	t.Helper()
	c := http.Client{Timeout: patience}
	resp, err := c.Post("http://"+w.addr+path, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// waitingWorker holds requests until it is told to begin. Then each waits for the
// sandbox. It tells how many are held, and how many of those wait.
const waitingWorker = sdk + `
let held = 0, waiting = 0, begun = false;
let isolate: string | undefined;

export default {
  async fetch(request: Request, env: any): Promise<Response> {
    isolate ??= crypto.randomUUID();
    const url = new URL(request.url);
    if (url.pathname === "/waiting/begin") begun = true;
    if (url.pathname !== "/waiting") return new Response(held + " " + waiting);
    held++;
    while (!begun) await new Promise((resolve) => setTimeout(resolve, 200));
    const up = getSandbox(env.Sandbox, "cold").exec("echo up", { timeout: 600000 });
    waiting++;
    const { stdout } = await up;
    held--;
    waiting--;
    return new Response(isolate + " " + url.searchParams.get("n") + " " + stdout);
  },
};
`

// gatedWorkers is an edge with that Worker, in one isolate, and with a sandbox that does
// not start before open is called.
func gatedWorkers(t testing.TB) (w *workers, open func()) {
	t.Helper()
	tools := t.TempDir()
	if err := os.Chmod(tools, 0o755); err != nil {
		t.Fatal(err)
	}
	s := settings{
		runtime: "process", files: fmt.Sprintf("tools: [%q, %q]", filepath.Join(root, "bin", "tools"), tools), pluginKeys: oneIsolate,
		binding: `pids: 4096, start: [{processId: gate, command: "until command -v gate-is-open; do sleep 0.1; done; exec bun -e 'Bun.serve({port: 8080, fetch: () => new Response()})'", port: 8080}]`,
	}
	w = newWorkers(t, s, map[string]string{"waiting": waitingWorker})
	return w, func() {
		if err := os.WriteFile(filepath.Join(tools, "gate-is-open"), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// waitTogether makes n requests that wait for the sandbox. They ask for it when all
// are there: a start may take half a minute, which is not for making connections. The
// function that it returns waits for their answers.
func (w *workers) waitTogether(n int) (answers func() []string) {
	counts := func(held, waiting int) func() error {
		return func() error {
			if have, want := w.ask("/waiting/count", nil), fmt.Sprint(held, waiting); have != want {
				return fmt.Errorf("held and waiting are %s, want %s", have, want)
			}
			return nil
		}
	}
	answers = w.begin(n, "/waiting?n=")
	w.eventually("all are there", counts(n, 0))
	w.ask("/waiting/begin", nil)
	w.eventually("all wait", counts(n, n))
	return answers
}

// TestThousandInFlight has a thousand requests wait in one isolate for the start of one
// sandbox, which the test holds up: all are answered, in that isolate.
func TestThousandInFlight(t *testing.T) {
	const clients = 1000
	w, open := gatedWorkers(t)
	others := w.waitTogether(clients)
	open()
	all := others()
	isolate, _, _ := strings.Cut(all[0], " ")
	for n, answer := range all {
		if want := fmt.Sprintf("%s %d up\n", isolate, n); answer != want {
			t.Fatalf("request %d: %q, want %q", n, answer, want)
		}
	}
}

// TestWorkerFresh has an isolate for each request, which finds nothing that another
// left, and the ordinary kind, which does.
func TestWorkerFresh(t *testing.T) {
	const counting = `let n = 0;
export default { fetch: () => new Response(String(++n) + " " + Object.keys(globalThis).includes("left") + (globalThis.left = "")) };
`
	for _, tt := range []struct{ isolation, want string }{{"pooled", "2 true"}, {"reset", "1 false"}, {"fresh", "1 false"}} {
		t.Run(tt.isolation, func(t *testing.T) {
			w := newWorkers(t, settings{runtime: "process", pluginKeys: oneIsolate + ", isolation: " + tt.isolation}, map[string]string{"counting": counting})
			w.ask("/counting", nil)
			if got := w.ask("/counting", nil); got != tt.want {
				t.Errorf("the second request found %q, want %q", got, tt.want)
			}
		})
	}
}
