package replay

import (
	"encoding/json"
	"strings"
	"testing"

	"edge/plugins"
	"edge/plugins/wasmasm"
)

// held is a guest that answers with its environment, holds its request, and asks for an
// operation when a timer has rung.
func held(operation string) []byte {
	m := wasmasm.New()
	fn := map[string]wasmasm.Func{}
	for name, params := range map[string]string{
		"environment": "ii", "respond": "iiiiii", "hold": "i", "let_go": "i", "timer_start": "ii", "op_start": "iiiii", "result_read": "iiiii",
	} {
		fn[name] = m.Import("edge1", name, params, "I")
	}
	m.Memory(2, 0)
	buf, name, body := int32(m.Space(bufSize)), m.Bytes([]byte(operation)), m.Bytes([]byte(box))
	step := m.Global(0)
	drop := func(name string, args ...wasmasm.Code) wasmasm.Code {
		return wasmasm.Do(wasmasm.Call(fn[name], args...), wasmasm.Drop())
	}
	i := wasmasm.I32
	m.Func("edge1", "", "", "")
	m.Func("edge_init", "", "i", "", i(0))
	m.Func("edge_request", "i", "i", "i",
		drop("hold", req()), drop("timer_start", req(), i(20)), drop("timer_start", i(0), i(3_600_000)),
		wasmasm.Call(fn["environment"], i(buf), i(bufSize)), wasmasm.Wrap(), wasmasm.Set(1),
		drop("respond", req(), i(200), i(0), i(0), i(buf), wasmasm.Get(1)), i(1))
	m.Func("edge_complete", "iii", "", "",
		wasmasm.GetGlobal(step), wasmasm.If(drop("let_go", req()), wasmasm.Do(
			i(1), wasmasm.SetGlobal(step),
			drop("op_start", req(), i(int32(name)), i(int32(len(operation))), i(int32(body)), i(int32(len(box)))))))
	return m.Encode()
}

// TestReplayHeld records what a request does after its answer, and replays it: with the
// same names in its environment, no secret among them, and without waiting.
func TestReplayHeld(t *testing.T) {
	t.Parallel()
	services := real{answer: func(string, json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`{}`), nil }}.services()
	spec := plugins.Spec{Secrets: map[string]string{"TOKEN": "hunter2"}, Bindings: plugins.Bindings{Sandboxes: map[string]string{"Box": "S"}}}
	file := recorded(t, held("start"), Options{}, spec, services, request("/"))
	all := lines(t, file)
	last := all[len(all)-1]
	if len(last.Calls) != 1 || last.Calls[0].Name != "start" || !strings.Contains(string(last.Body), `"Box":"S"`) || strings.Contains(string(last.Body), "hunter2") {
		t.Errorf("recorded %+v, body %s", last.Calls, last.Body)
	}
	if s, r := again(t, file, held("start")); s.Same != 1 {
		t.Errorf("%s: %+v", s.String(), r)
	}
	if s, _ := again(t, file, held("touch")); s.Different != 1 {
		t.Error(s.String())
	}
}
