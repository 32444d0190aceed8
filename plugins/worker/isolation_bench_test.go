package worker

import (
	"context"
	"testing"

	"edge/plugins"
)

// BenchmarkIsolation is whole requests of a Worker: in an isolate that serves one after
// the other, in one that is reset after each, and in one of each request's own.
func BenchmarkIsolation(b *testing.B) {
	for name, source := range map[string]string{
		"constant": "export default { fetch() { return new Response('x') } };\n",
		"plain":    "testdata/plain.ts",
	} {
		module := build(b, source)
		for _, isolation := range []plugins.Isolation{plugins.IsolationPooled, plugins.IsolationReset, plugins.IsolationFresh} {
			b.Run(name+"/"+string(isolation), func(b *testing.B) {
				r, log := register(b, plugins.Services{})
				p := load(b, r, module, func(s *plugins.Spec) { s.Isolation, s.MaxInstances = isolation, 4 })
				decide := func() {
					if _, err := p.Decide(context.Background(), request("/a")); err != nil {
						b.Fatal(err, log)
					}
				}
				for range 20 { // until there is what is used again
					decide()
				}
				begun := processor(b)
				b.ReportAllocs()
				for b.Loop() {
					decide()
				}
				b.ReportMetric((processor(b)-begun)/float64(b.N), "cpu-us/op")
			})
		}
	}
}
