package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKilledSandbox kills a sandbox under an open WebSocket: the client is told,
// and the next connection starts the next generation.
func TestKilledSandbox(t *testing.T) {
	eachRuntime(t, func(t *testing.T, runtime string) {
		e := newEdge(t, withProbe(t, examples(runtime)))
		ws := e.dial("/ws/echo?id=victim")
		if err := echo(ws, "before"); err != nil {
			t.Fatal(err)
		}
		before := e.probe(t, "victim")
		killed := time.Now()
		e.killMachine(runtime, "victim")
		if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		_, msg, err := ws.ReadMessage()
		var timeout interface{ Timeout() bool }
		if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
			t.Fatalf("client was not told: message %q, error %v", msg, err)
		}
		t.Logf("client told after %v: %v", time.Since(killed).Round(time.Millisecond), err)

		again := e.dial("/ws/echo?id=victim")
		if err := echo(again, "after"); err != nil {
			t.Fatal(err)
		}
		if after := e.probe(t, "victim"); after.Generation != before.Generation+1 {
			t.Errorf("generation %d after the kill, want %d", after.Generation, before.Generation+1)
		}
	})
}

// TestRestart kills the edge itself while a sandbox runs: the same server
// process answers afterwards, its logs complete, its exposure's URL unchanged.
func TestRestart(t *testing.T) {
	eachRuntime(t, func(t *testing.T, runtime string) {
		e := newEdge(t, withProbe(t, examples(runtime)))
		ws := e.dial("/ws/echo?id=keep")
		if err := echo(ws, "before"); err != nil {
			t.Fatal(err)
		}
		var before observation
		e.eventually("what its server said is in the logs", func() error {
			if before = e.probe(t, "keep"); !strings.Contains(before.Stdout, "client connected") {
				return fmt.Errorf("they hold %q", before.Stdout)
			}
			return nil
		})
		e.kill()
		e.start()
		if err := echo(e.dial("/ws/echo?id=keep"), "after"); err != nil {
			t.Fatal(err)
		}
		after := e.probe(t, "keep")
		if after.PID != before.PID || after.StartedAt != before.StartedAt {
			t.Errorf("another server process answers: pid %d started %s, was pid %d started %s", after.PID, after.StartedAt, before.PID, before.StartedAt)
		}
		if after.Generation != before.Generation {
			t.Errorf("generation %d, was %d", after.Generation, before.Generation)
		}
		if after.URL != before.URL || before.URL == "" {
			t.Errorf("exposure %q, was %q", after.URL, before.URL)
		}
		if !strings.HasPrefix(after.Stdout, before.Stdout) || before.Stdout == "" {
			t.Errorf("logs are not complete:\n%s\nwere\n%s", after.Stdout, before.Stdout)
		}
		preview, err := dialURL(strings.Replace(before.URL, "http://", "ws://", 1))
		if err != nil {
			t.Fatalf("preview after the restart: %v", err)
		}
		defer preview.Close()
		if err := echo(preview, "through the preview"); err != nil {
			t.Error(err)
		}
	})
}

// TestDockerDown asks for docker where none answers: the edge serves, says so
// once, answers 503, and goes on trying: when an engine appears it is used.
func TestDockerDown(t *testing.T) {
	s := examples("docker")
	socket := filepath.Join(t.TempDir(), "docker.sock")
	s.env = []string{"DOCKER_HOST=unix://" + socket}
	e := newEdge(t, s)
	for range 3 {
		body, err := e.get("/ws/realtime?id=down", 503)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Code      string `json:"code"`
			Retryable bool   `json:"retryable"`
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Code != "RUNTIME_UNAVAILABLE" || !answer.Retryable {
			t.Errorf("answer %s, want RUNTIME_UNAVAILABLE, retryable (%v)", body, err)
		}
	}
	if _, err := e.get("/readyz", 503); err != nil {
		t.Error(err)
	}
	e.eventually("the log says that the runtime is unavailable", func() error {
		if !strings.Contains(e.log.String(), "runtime unavailable; sandboxes") {
			return fmt.Errorf("it does not:\n%s", e.log)
		}
		return nil
	})
	if n := strings.Count(e.log.String(), "runtime unavailable; sandboxes"); n != 1 {
		t.Errorf("the edge said %d times that the runtime is unavailable, want once:\n%s", n, e.log)
	}
	needDocker(t)
	if err := os.Symlink("/var/run/docker.sock", socket); err != nil {
		t.Fatal(err)
	}
	e.eventually("ready when the engine is", func() error {
		_, err := e.get("/readyz", 200)
		return err
	})
	if _, err := e.get("/ws/realtime?id=down", 200); err != nil {
		t.Error(err)
	}
}

// observation is what the probe plugin tells of a sandbox.
type observation struct {
	PID        int
	StartedAt  string
	Generation int64
	URL        string
	Stdout     string
}

func (e *edge) probe(t *testing.T, id string) observation {
	t.Helper()
	body, err := e.get("/probe/?id="+id, 200)
	if err != nil {
		t.Fatal(err)
	}
	var o observation
	if err := json.Unmarshal([]byte(body), &o); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return o
}

// withProbe adds the probe plugin at /probe/.
func withProbe(t testing.TB, s settings) settings {
	s.plugins["probe"] = probeModule(t)
	s.routes = append([][2]string{{"/probe/*", "probe"}}, s.routes...)
	return s
}

// probeModule builds testdata/probe, a plugin that looks at a sandbox.
func probeModule(t testing.TB) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "probe.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", out, "./testdata/probe")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if err := output(cmd); err != nil {
		t.Fatal(err)
	}
	return out
}

// machine returns the process id of the sandbox's init on the process runtime,
// from that runtime's own record.
func (e *edge) machine(id string) int {
	e.t.Helper()
	records, err := filepath.Glob(filepath.Join(e.state, "machines", "*."+id, "machine.json"))
	if err != nil || len(records) != 1 {
		e.t.Fatalf("records of sandbox %s: %v, %v; want one", id, records, err)
	}
	b, err := os.ReadFile(records[0])
	if err != nil {
		e.t.Fatal(err)
	}
	var record struct{ PID int }
	if err := json.Unmarshal(b, &record); err != nil || record.PID == 0 {
		e.t.Fatalf("%s: %s, %v", records[0], b, err)
	}
	return record.PID
}

func (e *edge) killMachine(runtime, id string) {
	e.t.Helper()
	if runtime == "docker" {
		if err := run("docker", "kill", e.container(id)); err != nil {
			e.t.Fatal(err)
		}
		return
	}
	if err := syscall.Kill(e.machine(id), syscall.SIGKILL); err != nil {
		e.t.Fatal(err)
	}
}

// container returns the name of the sandbox's container.
func (e *edge) container(id string) string {
	e.t.Helper()
	out, err := exec.Command("docker", "ps", "-a", "--filter", "label=edge.id="+id, "--format", "{{.Names}}").Output()
	if err != nil {
		e.t.Fatal(err)
	}
	names := strings.Fields(string(out))
	if len(names) != 1 {
		e.t.Fatalf("containers of sandbox %s: %v, want one", id, names)
	}
	return names[0]
}
