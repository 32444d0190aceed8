package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// planning is a module of a few bytes that decides the same plan for every request.
func planning(t testing.TB, p *abi.Plan) string {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	m := wasmasm.New()
	plan := m.Import("edge1", "plan", "iii", "I")
	m.Memory(2, 0)
	at := m.Bytes(text)
	m.Func("edge1", "", "", "")
	m.Func("edge_init", "", "i", "", wasmasm.I32(0))
	m.Func("edge_request", "i", "i", "", wasmasm.Call(plan, wasmasm.Get(0), wasmasm.I32(int32(at)), wasmasm.I32(int32(len(text)))), wasmasm.Drop(), wasmasm.I32(0))
	path := filepath.Join(t.TempDir(), "plan.wasm")
	if err := os.WriteFile(path, m.Encode(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPlan has many clients wait for one cold start, which a plan describes: all are
// joined with the server, whose process was started once.
func TestPlan(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(root, "examples", "wasm", "echo", "server.ts"))
	if err != nil {
		t.Fatal(err)
	}
	eachRuntime(t, func(t *testing.T, runtime string) {
		p := &abi.Plan{
			Sandbox: abi.SandboxRef{Binding: "Sandbox", ID: "planned"}, Then: abi.PlanConnect, Port: 8080, Timeout: abi.Duration(abi.MaxPlanTimeout),
			Files:   []abi.PlanFile{{Path: "/tmp/planned.ts", Content: string(script)}},
			Process: &abi.PlanProcess{ProcessID: "planned", Command: "echo started >>/tmp/starts; exec bun run /tmp/planned.ts"},
			Ready:   &abi.PlanReady{},
		}
		failing := *p
		failing.Sandbox.ID = "failing"
		failing.Then = abi.PlanProxy
		failing.Process = &abi.PlanProcess{ProcessID: "failing", Command: "echo secret of the inside >&2; exit 3"}
		own := failing
		own.Fallback = &abi.PlanAnswer{Status: 503, Body: "come back later"}
		e := newEdge(t, settings{
			runtime: runtime,
			plugins: map[string]string{"planned": planning(t, p), "failing": planning(t, &failing), "own": planning(t, &own)},
			routes:  [][2]string{{"/ws", "planned"}, {"/failing", "failing"}, {"/own", "own"}},
		})
		var wg sync.WaitGroup
		const clients = 40
		errs := make(chan error, clients)
		for i := range clients {
			wg.Go(func() {
				ws, err := dialURL("ws://" + e.addr + "/ws")
				if err == nil {
					defer ws.Close()
					err = echo(ws, fmt.Sprint("hello ", i))
				}
				errs <- err
			})
		}
		wg.Wait()
		for range clients {
			if err := <-errs; err != nil {
				t.Fatalf("%v\n%s", err, e.log)
			}
		}
		out, err := exec.Command(binary, "exec", "--admin", filepath.Join(e.state, "run", "admin.sock"), "planned", "cat", "/tmp/starts").CombinedOutput()
		if err != nil || string(out) != "started\n" {
			t.Errorf("the process was started %q (%v)", out, err)
		}
		body, err := e.get("/failing", 502)
		if err != nil || !strings.Contains(body, "PROCESS_EXITED_BEFORE_READY") || strings.Contains(body, "secret") {
			t.Errorf("a process that ends: %s, %v", body, err)
		}
		e.eventually("the log says what it printed", func() error {
			if !strings.Contains(e.log.String(), "secret of the inside") {
				return fmt.Errorf("it does not:\n%s", e.log)
			}
			return nil
		})
		if body, err := e.get("/own", 503); err != nil || body != "come back later" {
			t.Errorf("with an answer of its own: %s, %v", body, err)
		}
	})
}
