package initd

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"edge/abi"
)

func TestParseSignal(t *testing.T) {
	t.Parallel()
	for in, want := range map[abi.Signal]syscall.Signal{
		"": syscall.SIGTERM, "TERM": syscall.SIGTERM, "SIGKILL": syscall.SIGKILL, "hup": syscall.SIGHUP, "9": syscall.SIGKILL, "64": 64,
		"0": 0, "65": 0, "-1": 0, "SIG": 0, "TERMX": 0, "9.5": 0, "SIGSIGTERM": 0,
	} {
		got, err := parseSignal(in, syscall.SIGTERM)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: got %d, %v", in, got, err)
		}
	}
	if signalName(syscall.SIGTERM) != "SIGTERM" || signalName(64) != "SIG64" {
		t.Errorf("names %s, %s", signalName(syscall.SIGTERM), signalName(64))
	}
}

func TestResolvePath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a": "/workspace/a", "./a/../b": "/workspace/b", "../etc": "/etc", "/a//b/": "/a/b", "/": "/",
		"": "", "a\x00": "", "/" + strings.Repeat("x", abi.MaxPathBytes): "",
	} {
		got, err := resolvePath(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%.20q: got %q, %v", in, got, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	base := []string{"PATH=/bin", "EDGE_INIT_TOKEN=secret", "EDGE_PROCESS=outer", "A=1", "ODD"}
	got, err := environment(base, map[string]string{"A": "2=3", "EDGE_PROCESS": "mine"})
	if err != nil || !slices.Equal(got, []string{"PATH=/bin", "ODD", "A=2=3"}) {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []map[string]string{{"": "x"}, {"A=B": "x"}, {"A\x00": "x"}, {"A": "\x00"}} {
		if _, err := environment(base, bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
