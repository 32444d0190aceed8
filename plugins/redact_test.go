package plugins

import (
	"strings"
	"testing"

	"edge/plugins/wasmasm"
)

// TestSecretsAreNotLogged has a guest say its secrets in a line, in a field and on
// standard error: the log names them and does not show them.
func TestSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	g := newAsm()
	fields := append(append([]byte{}, 3, 0, 0, 0, 'k', 'e', 'y'), append([]byte{11, 0, 0, 0}, "hunter2hunt"...)...)
	module := g.module(
		g.drop("log", req(), 8, "the key is hunter2hunter2, not hunter2hunt", fields),
		g.drop("respond", req(), 200, "", "fine"), wasmasm.I32(0))
	p := b.load(t, module, func(s *Spec) {
		s.Secrets = map[string]string{"KEY": "hunter2hunter2", "PART": "hunter2hunt", "SHORT": "is"}
	})
	decide(t, p, newRequest())
	log := b.book.String()
	if strings.Contains(log, "hunter2") {
		t.Errorf("the log shows a secret:\n%s", log)
	}
	if !strings.Contains(log, "the key is [secret KEY], not [secret PART]") || !strings.Contains(log, "[secret PART]") {
		t.Errorf("the log does not name the secrets:\n%s", log)
	}
}

func TestRedactor(t *testing.T) {
	t.Parallel()
	r := newRedactor(map[string]string{"A": "0123456789"})
	long := strings.Repeat("x", maxLogLine-5)
	for name, tt := range map[string]struct{ in, want string }{
		"at the cut": {long + "0123456789 and more", (long + "[secret A] and more")[:maxLogLine]},
		"none":       {"plain", "plain"},
		"twice":      {"0123456789,0123456789", "[secret A],[secret A]"},
	} {
		if got := r.line([]byte(tt.in)); got != tt.want {
			t.Errorf("%s: %.80q", name, got)
		}
	}
	if r := newRedactor(map[string]string{"A": "abc"}); r != nil {
		t.Error("a secret of three bytes is looked for")
	}
	if got := newRedactor(nil).line([]byte("plain")); got != "plain" {
		t.Errorf("without secrets: %q", got)
	}
}
