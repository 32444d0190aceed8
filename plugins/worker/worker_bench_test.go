package worker

import (
	"context"
	"syscall"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// BenchmarkWorker is a request of one instance. On a busy machine the clock tells
// nothing and processor time little: fuel/op, in units of the meter, is what the Worker
// itself did, and the same each time.
func BenchmarkWorker(b *testing.B) {
	sandbox := "import { getSandbox } from '@cloudflare/sandbox';\n"
	for _, c := range []struct {
		name, source string
		req          *abi.Request
	}{
		{"constant", "export default { fetch() { return new Response('x') } };\n", request("/a")},
		{"async", "export default { async fetch() { return new Response('x') } };\n", request("/a")},
		{"json", "export default { fetch() { return Response.json({ a: 1 }) } };\n", request("/a")},
		{"headers", "export default { fetch() { return new Response('x', { headers: { 'content-type': 'text/html', 'cache-control': 'no-store', 'x-a': 'b' } }) } };\n", request("/a")},
		{"plain", "testdata/plain.ts", request("/a")},
		{"operation", sandbox + "export default { async fetch(r, env) { await getSandbox(env.Sandbox, 's').startProcess('x'); return new Response('x') } };\n", request("/a")},
		{"connect", sandbox + "export default { fetch(r, env) { return getSandbox(env.Sandbox, 's').wsConnect(r, 8080) } };\n", upgrade("/a")},
		{"proxy", "import { proxyToSandbox } from '@cloudflare/sandbox';\nexport default { fetch(r, env) { return proxyToSandbox(r, env.Sandbox, 's') } };\n", request("/a")},
		{"ws", "testdata/ws.ts", upgrade("/ws?id=s1")},
	} {
		b.Run(c.name, func(b *testing.B) {
			r, log := register(b, plugins.Services{Operations: operate(startProcess)})
			p := load(b, r, build(b, c.source))
			begun, fuel := processor(b), r.Status()[0].Generations[0].Fuel
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Decide(context.Background(), c.req); err != nil {
					b.Fatal(err, log)
				}
			}
			b.ReportMetric((processor(b)-begun)/float64(b.N), "cpu-us/op")
			b.ReportMetric(float64(r.Status()[0].Generations[0].Fuel-fuel)/float64(b.N), "fuel/op")
		})
	}
}

// processor is the processor time that the tests have used, in microseconds.
func processor(b *testing.B) float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1000
}
