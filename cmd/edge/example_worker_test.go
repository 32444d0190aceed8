package main

import (
	"strings"
	"testing"
)

// TestExampleWorker decides the cases of the example in TypeScript.
func TestExampleWorker(t *testing.T) {
	t.Parallel()
	needsEngine(t)
	const dir = "../../examples/wasm/worker/"
	out := &lockedBuffer{}
	term := &terminal{out: out, err: out, getenv: func(string) string { return "" }}
	if err := (&pluginTestCommand{Module: dir + "worker.ts", Cases: []string{dir + "cases.yaml"}}).Run(t.Context(), term); err != nil || !strings.Contains(out.String(), "3 cases: 3 ok") {
		t.Errorf("edge plugin test ended with %v:\n%s", err, out)
	}
}
