package sandboxmgr

import (
	"strings"
	"testing"

	"edge/abi"
)

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	previews := func(p PreviewConfig) func(*Config) { return func(c *Config) { c.Previews = p } }
	deep := func(n int) string { // a state folder whose sockets have paths of n bytes
		return "/" + strings.Repeat("d", n-1-len("/run/0123456789abcdef/s"))
	}
	tests := []struct {
		name   string
		change func(*Config)
		want   string // in the error; empty: fine
	}{
		{"defaults", func(*Config) {}, ""},
		{"no store", func(c *Config) { c.Store = nil }, "no store"},
		{"longest socket path", func(c *Config) { c.StateDir = deep(maxSocketPath) }, ""},
		{"socket path too long", func(c *Config) { c.StateDir = deep(maxSocketPath + 1) }, "name a shorter one"},
		{"bad binding", func(c *Config) { c.Bindings["1x"] = c.Bindings["B"] }, `"1x"`},
		{"no runtime", binding(func(b *Binding) { b.Runtime = nil }), "no runtime"},
		{"unknown persist", binding(func(b *Binding) { b.Persist = "some" }), "persist"},
		{"unknown network", binding(func(b *Binding) { b.Network = "host" }), "network"},
		{"unknown preset", binding(func(b *Binding) { b.Preset = "lax" }), "preset"},
		{"negative sleep", binding(func(b *Binding) { b.SleepAfter = -1 }), "sleepAfter"},
		{"negative warmth", binding(func(b *Binding) { b.Warm = -1 }), "warm is -1"},
		{"negative bound", binding(func(b *Binding) { b.MaxSandboxes = -1 }), "maxSandboxes is -1"},
		{"entry point without images", binding(func(b *Binding) { b.Entrypoint = true }), "has no images"},
		{"build without images", binding(func(b *Binding) { b.Build = &Build{} }), "has no images"},
		{"autostart without a command", binding(func(b *Binding) { b.Start = []Autostart{{}} }), "start 1"},
		{"autostart with a bad port", binding(func(b *Binding) {
			b.Start = []Autostart{{StartProcessRequest: abi.StartProcessRequest{Command: "x"}, Port: 80}}
		}), "INVALID_PORT"},
		{"https", previews(PreviewConfig{Scheme: "https", Domains: []string{"p.example.com."}, Port: 65535}), ""},
		{"scheme", previews(PreviewConfig{Scheme: "ftp"}), "scheme"},
		{"port", previews(PreviewConfig{Port: 65536}), "65536"},
		{"domain with a port", previews(PreviewConfig{Domains: []string{"localhost:8787"}}), "without a port"},
		{"address", previews(PreviewConfig{Domains: []string{"127.0.0.1"}}), "address"},
		{"address of IPv6", previews(PreviewConfig{Domains: []string{"::1"}}), "address"},
		{"empty label", previews(PreviewConfig{Domains: []string{"a..b"}}), "host name"},
		{"longest domain", previews(PreviewConfig{Domains: []string{strings.Repeat("a.", 94) + "a"}}), ""},
		{"domain too long", previews(PreviewConfig{Domains: []string{strings.Repeat("a.", 94) + "ab"}}), "189"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c := Config{StateDir: dir, Store: &handle{memory: newMemory()}, Bindings: map[string]Binding{"B": {Runtime: w}}}
			tt.change(&c)
			got, err := c.withDefaults()
			if tt.want == "" {
				if err != nil || got.Bindings["B"].Network != "none" || got.Bindings["B"].Persist != "all" || got.OpenInit == nil || got.Log == nil {
					t.Errorf("config %+v, %v", got, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
