package initd

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edge/cmd/edge/testleak"
)

const envRole = "INITD_TEST_ROLE"

// TestMain is an init with little patience when it is told to be one: the init
// needs a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv(envRole) == "" {
		goleak.VerifyTestMain(testleak.Settle(m))
	}
	err := run(context.Background(), Config{Dir: os.Getenv("EDGE_INIT_DIR"), Token: "t", OrphanAfter: 100 * time.Millisecond})
	if errors.Is(err, errOrphaned) {
		os.Exit(7)
	}
	os.Exit(1)
}

// TestOrphan: an init that nobody wants ends itself.
func TestOrphan(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envRole+"=init", "EDGE_INIT_DIR="+t.TempDir())
	err := cmd.Run()
	if cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("ended with %v", err)
	}
}

func TestMainRefuses(t *testing.T) {
	for name, args := range map[string][]string{"no token": nil, "an argument": {"x"}} {
		t.Setenv(envToken, "")
		if code := Main(args); code != exitUsage {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	const rest = " 7 8 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0"
	tests := []struct {
		name, line string
		want       task
		ok         bool
	}{
		{"usual", "9 (sh) S 1" + rest, task{9, 1, 7, 8, "12345"}, true},
		{"a name that lies", "9 (x) Z 5 (y)) R 1" + rest, task{9, 1, 7, 8, "12345"}, true},
		{"zombie", "9 (sh) Z 1" + rest, task{}, false},
		{"short", "9 (sh) S 1 7", task{}, false},
		{"empty", "", task{}, false},
	}
	for _, tt := range tests {
		if got, ok := parseStat(9, []byte(tt.line)); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %+v, %v", tt.name, got, ok)
		}
	}
}

func TestLongestBackoff(t *testing.T) {
	t.Parallel()
	for away, want := range map[time.Duration]time.Duration{
		0: maxBackoff, awayAfter: maxBackoff, awayAfter + 1: awayBackoff, 24 * time.Hour: awayBackoff,
	} {
		if got := longestBackoff(away); got != want {
			t.Errorf("away for %v: %v, want %v", away, got, want)
		}
	}
}

// TestAway wants an edge that is there not to count as away, however long ago the
// last one left.
func TestAway(t *testing.T) {
	t.Parallel()
	s := newServer(Config{}, nil, nil)
	s.lastHost = time.Now().Add(-time.Hour)
	if away := s.away(); away < time.Hour {
		t.Errorf("away for %v, want an hour", away)
	}
	s.conns[nil] = struct{}{}
	if away := s.away(); away != 0 {
		t.Errorf("away for %v with a connection", away)
	}
}
