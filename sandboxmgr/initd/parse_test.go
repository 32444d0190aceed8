package initd

import (
	"os"
	"path/filepath"
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

func TestListeningPortsTables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tcp, tcp6 := filepath.Join(dir, "tcp"), filepath.Join(dir, "tcp6")
	for name, text := range map[string]string{
		tcp: "  sl  local_address rem_address   st tx_queue\n" +
			"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000\n" +
			"   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000\n" +
			"   2: 00000000:0050 00000000:0000 0A\n  broken\n   3: 00000000 00000000:0000 0A\n   4: x:FFFFF y 0A\n",
		tcp6: "   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A\n" +
			"   1: 00000000000000000000000000000000:2328 00000000000000000000000000000000:0000 0A\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := listeningPorts(tcp, tcp6, filepath.Join(dir, "none"))
	if err != nil || !slices.Equal(got.Ports, []int{80, 8080, 9000}) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := listeningPorts(filepath.Join(dir, "none")); err != nil || got.Ports == nil {
		t.Errorf("no tables: %v, %v", got, err)
	}
}

func FuzzListening(f *testing.F) {
	f.Add([]byte("   0: 0100007F:1F90 00000000:0000 0A\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range appendListening(nil, b) {
			if p < 0 || p > 65535 {
				t.Errorf("port %d", p)
			}
		}
	})
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
