package plugins

import (
	"context"
	"encoding/json"
	"testing"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// BenchmarkAsync is one decision of an asynchronous module: at once; after an
// operation that answers at once, which is two entries of the guest and a call; and
// after a timer.
func BenchmarkAsync(b *testing.B) {
	for name, request := range map[string]func(g *asm) wasmasm.Code{
		"plain": func(g *asm) wasmasm.Code { return g.drop("respond", req(), 200, "", "fine") },
		"op": func(g *asm) wasmasm.Code {
			return g.drop("op_start", req(), "startProcess", `{"sandbox":{"binding":"Sandbox","id":"a1"},"command":"bun server.ts","processId":"server"}`)
		},
		"timer": func(g *asm) wasmasm.Code { return g.drop("timer_start", req(), 0) },
	} {
		b.Run(name, func(b *testing.B) {
			g := newAsm()
			out := g.buffer(256)
			module := g.async(pending(request(g)), wasmasm.Do(
				g.drop("result_read", req(), wasmasm.Get(1), 0, out), g.drop("respond", req(), 200, "", "fine")), nil)
			p := newBench(b, Config{Services: Services{Operations: started{}}}).load(b, module)
			b.ReportAllocs()
			defer reportCPU(b)()
			for b.Loop() {
				if _, err := p.Decide(context.Background(), newRequest()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// started is a sandbox in which every process starts. It reads what it is asked for,
// as whoever carries it out does.
type started struct{}

func (started) Operate(_ context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	_, in, err := abi.SplitCall(abi.Lookup(name), body)
	if err != nil {
		return nil, err
	}
	return json.Marshal(abi.Process{ID: in.(*abi.StartProcessRequest).ProcessID, PID: 42})
}
