package plugins

import (
	"runtime"
	"strings"
	"testing"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// saying is a guest with a custom section edge1 for each text. It imports all of edge1
// and answers what kv and secret_get say and last_error after kv.
func saying(texts ...string) *asm {
	g := newAsmBut(nil)
	for _, text := range texts {
		g.Custom("edge1", []byte(text))
	}
	return g
}

// TestManifest has modules say how they want to be run.
func TestManifest(t *testing.T) {
	t.Parallel()
	cores := runtime.GOMAXPROCS(0)
	tests := []struct {
		name         string
		text         string
		change       func(*Spec)
		open, most   int
		wantOptional bool
	}{
		{"nothing", ``, nil, DefaultMaxOpen, DefaultMaxInstances, false},
		{"empty", `{}`, nil, DefaultMaxOpen, DefaultMaxInstances, false},
		{"all", `{"optional": true, "open": 1024, "perCore": 2, "made": "by hand", "source": "worker.ts", "later": [1]}`, nil, 1024, 2 * cores, true},
		{"overridden", `{"open": 1024, "perCore": 1}`, func(s *Spec) { s.MaxOpen, s.MaxInstances = 7, 5 }, 7, 5, false},
		{"min", `{"perCore": 1}`, func(s *Spec) { s.MinInstances = cores + 1 }, DefaultMaxOpen, cores + 1, false},
		{"beyond", ``, func(s *Spec) { s.MaxOpen = MaxMaxOpen + 1 }, MaxMaxOpen, DefaultMaxInstances, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := saying()
			if tt.text != "" {
				g = saying(tt.text)
			}
			p := newBench(t, Config{}).load(t, g.async(wasmasm.I32(1), nil, nil), func(s *Spec) { s.MaxInstances = 0 }, func(s *Spec) {
				if tt.change != nil {
					tt.change(s)
				}
			})
			got := p.current.Load()
			if got.pool.room != tt.open || got.spec.MaxInstances != tt.most || got.spec.MaxParked != tt.most || got.manifest.Optional != tt.wantOptional {
				t.Errorf("%d open in each of %d instances, optional %v; want %d, %d, %v",
					got.pool.room, got.spec.MaxInstances, got.manifest.Optional, tt.open, tt.most, tt.wantOptional)
			}
		})
	}
}

// TestManifestRefused names what is wrong with a section.
func TestManifestRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"no JSON", `{`, `its custom section "edge1" is malformed: unexpected end of JSON input`},
		{"no object", `[1]`, `its custom section "edge1" is malformed: json: cannot unmarshal array`},
		{"kind", `{"optional": 1}`, `optional`},
		{"open", `{"open": 4097}`, `open is 4097; want a number from 0 to 4096`},
		{"below", `{"open": -1}`, `open is -1`},
		{"perCore", `{"perCore": 65}`, `perCore is 65; want a number from 0 to 64`},
		{"large", `"` + strings.Repeat("a", maxManifest) + `"`, `65538 bytes are more than the 65536`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			refuses(t, saying(tt.text).async(wasmasm.I32(1), nil, nil), tt.want)
		})
	}
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		refuses(t, saying(`{}`, `{}`).async(wasmasm.I32(1), nil, nil), `more than one custom section "edge1"`)
	})
}

// refuses wants a module to be refused, and why.
func refuses(t *testing.T, module []byte, want string) {
	t.Helper()
	_, err := newBench(t, Config{}).Load(t.Context(), Spec{Name: "p", Source: writeModule(t, module), Secrets: map[string]string{"key": "x"}})
	if err == nil || !strings.Contains(err.Error(), ErrRefused.Error()) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestOptional has a module do without what it was not granted, if it says that it can.
func TestOptional(t *testing.T) {
	t.Parallel()
	var last region
	guest := func(g *asm) []byte {
		last = g.buffer(512)
		return g.script(
			g.record("secret_get", "key", 0, 0),
			g.record("kv", req(), 1, "k", "", "", 0, 0),
			g.record("op", req(), "exec", `{"sandbox":{"binding":"S","id":"a"}}`, 0, 0),
			g.record("last_error", req(), last))
	}
	nothing := func(s *Spec) { s.Grants, s.Secrets = &Grants{}, nil }
	b := newBench(t, Config{})
	a := saying(`{"optional": true}`)
	r, ok := decide(t, b.load(t, guest(a), nothing), newRequest()).(*abi.Respond)
	if !ok {
		t.Fatal("the script made another decision")
	}
	got := scriptAnswer{t, a, r.Body}
	for i, call := range []string{"secret_get", "kv", "op"} {
		if e, _ := got.result(i); e != abi.Denied {
			t.Errorf("%s answered %v, want DENIED", call, e)
		}
	}
	_, n := got.result(3)
	if text := string(got.bytes(last, n)); !strings.Contains(text, "add grants.sandboxes to the plugin's configuration") {
		t.Errorf("last_error is %s, want it to name the key", text)
	}
	b.logged(t, notGranted)
	refusesWith(t, guest(saying()), nothing)
}

func refusesWith(t *testing.T, module []byte, change func(*Spec)) {
	t.Helper()
	spec := Spec{Name: "p", Source: writeModule(t, module)}
	change(&spec)
	if _, err := newBench(t, Config{}).Load(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "needs a grant") {
		t.Errorf("got %v, want a refusal for want of a grant", err)
	}
}
