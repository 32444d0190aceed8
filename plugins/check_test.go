package plugins

import (
	"strings"
	"testing"

	"edge/plugins/wasmasm"
)

// TestCheckTells looks at what a report says of modules besides their names.
func TestCheckTells(t *testing.T) {
	t.Parallel()
	grow := newAsm()
	growing := grow.script(wasmasm.Do(wasmasm.I32(1), wasmasm.GrowMemory(), wasmasm.Drop()))
	asks := newAsm()
	asking := asks.script(asks.record("op", req(), "exec", `{"sandbox":{"binding":"S","id":"a"}}`, region{0, 0}))
	traps := newAsm()
	for _, tt := range []struct {
		name   string
		module []byte
		reset  string // part of why not
		calls  string
		says   string // the decision
	}{
		{"answers", responding("x"), "", "", "respond"},
		{"grows", growing, "its memory grew from 1048576 to 1114112 bytes", "", "respond"},
		{"asks", asking, "", "exec", "respond"},
		{"traps", traps.module(wasmasm.Unreachable()), "it failed", "", "error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := Check(t.Context(), writeModule(t, tt.module))
			if err != nil || r.Refusal != "" || r.Probe == nil {
				t.Fatalf("%+v, %v", r, err)
			}
			if !strings.Contains(r.Reset, tt.reset) || (r.Reset == "") != (tt.reset == "") {
				t.Errorf("reset %q, want %q", r.Reset, tt.reset)
			}
			if r.Metered <= r.Size || r.Memory.Initial != 16*wasmPage || r.Memory.Most != 0 || len(r.Needs) == 0 {
				t.Errorf("metered %d of %d bytes, memory %+v, needs %v", r.Metered, r.Size, r.Memory, r.Needs)
			}
			if r.InitFuel > 100 || r.Probe.Fuel > 10_000 || r.Probe.Verdict.Decision != tt.says {
				t.Errorf("init %d, probe %+v", r.InitFuel, r.Probe)
			}
			if tt.calls != "" && (len(r.Probe.Calls) != 1 || r.Probe.Calls[0].Name != tt.calls) {
				t.Errorf("calls %+v", r.Probe.Calls)
			}
		})
	}
}

// TestCheckInitFuel counts what edge_init executes: a loop of 30,000 turns.
func TestCheckInitFuel(t *testing.T) {
	t.Parallel()
	g := newAsm()
	left := g.Global(30_000)
	g.Func("edge1", "", "", "")
	g.Func("edge_init", "", "i", "", wasmasm.Forever(
		wasmasm.GetGlobal(left), wasmasm.I32(-1), wasmasm.Add(), wasmasm.SetGlobal(left),
		wasmasm.GetGlobal(left), wasmasm.If(nil, wasmasm.Do(wasmasm.I32(0), wasmasm.Return()))), wasmasm.I32(0))
	g.Func("edge_request", "i", "i", "", g.call("next", req()), wasmasm.Drop(), wasmasm.I32(0))
	r, err := Check(t.Context(), writeModule(t, g.Encode()))
	if err != nil || r.InitFuel < 60_000 || r.InitFuel > 1_000_000 {
		t.Errorf("init fuel %d, %q, %v", r.InitFuel, r.Refusal, err)
	}
}
