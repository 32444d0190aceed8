package initlink

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// privateKiB is the memory that a process has for itself alone: without the
// unchanged pages of its program, which all inits share.
func privateKiB(t testing.TB, pid int) int {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		var n int
		if strings.HasPrefix(s.Text(), "Anonymous:") {
			if _, err := fmt.Sscanf(strings.Fields(s.Text())[1], "%d", &n); err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}

// TestMemory: a process that prints much costs the init no more memory than one
// that prints little, whoever looks at it and how. The init here is this test's
// own program, which is larger than the real one.
func TestMemory(t *testing.T) {
	t.Parallel()
	much := 256 << 20
	if raceEnabled {
		much = 64 << 20
	}
	flood := func(n int) string { return fmt.Sprintf("head -c %d /dev/zero | tr '\\0' x", n) }
	tests := []struct {
		name string
		run  func(t *testing.T, s *sandbox, n int)
	}{
		{"exec", func(t *testing.T, s *sandbox, n int) {
			got := call(t, s.Link, abi.Exec, abi.ExecRequest{Command: flood(n), MaxOutput: 1 << 20, Timeout: abi.Duration(time.Hour)})
			if len(got.Stdout) != 1<<20 || got.Truncated != (n > 1<<20) {
				t.Errorf("got %d bytes, truncated %v", len(got.Stdout), got.Truncated)
			}
		}},
		{"startProcess and getLogs", func(t *testing.T, s *sandbox, n int) {
			start(t, s, "p", flood(n))
			call(t, s.Link, abi.WaitForExit, abi.WaitForExitRequest{ProcessID: "p"})
			if got := logs(t, s, "p", ""); len(got.Stdout) != 1<<20 {
				t.Errorf("got %d bytes", len(got.Stdout))
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t)
			pid := s.init.cmd.Process.Pid
			tt.run(t, s, 1<<20)
			little := privateKiB(t, pid)
			peak, done, watched := 0, make(chan struct{}), make(chan struct{})
			go func() { // watches the init while the process prints
				defer close(watched)
				for {
					select {
					case <-done:
						return
					case <-time.After(20 * time.Millisecond):
						peak = max(peak, privateKiB(t, pid))
					}
				}
			}()
			tt.run(t, s, much)
			close(done)
			<-watched
			t.Logf("after 1 MiB %d KiB, while %d MiB at most %d KiB, after them %d KiB", little, much>>20, peak, privateKiB(t, pid))
			if peak > little+8<<10 && !raceEnabled {
				t.Errorf("the init grew from %d to %d KiB", little, peak)
			}
		})
	}
}

// TestMemoryOfLargeAnswers: the largest output there can be is kept once, not
// several times.
func TestMemoryOfLargeAnswers(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	pid := s.init.cmd.Process.Pid
	before := privateKiB(t, pid)
	command := fmt.Sprintf("head -c %d /dev/zero; head -c %d /dev/zero >&2", abi.MaxMaxOutput, abi.MaxMaxOutput)
	peak, done, watched := 0, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
				peak = max(peak, privateKiB(t, pid))
			}
		}
	}()
	for range 3 {
		got := call(t, s.Link, abi.Exec, abi.ExecRequest{Command: command, MaxOutput: abi.MaxMaxOutput, Encoding: "base64"})
		if len(got.Stdout) != len(got.Stderr) || len(got.Stdout) < abi.MaxMaxOutput/3*4 || got.Truncated {
			t.Errorf("got %d and %d bytes, truncated %v", len(got.Stdout), len(got.Stderr), got.Truncated)
		}
	}
	close(done)
	<-watched
	const output = 2 * abi.MaxMaxOutput >> 10 // KiB
	t.Logf("before %d KiB, at most %d KiB for %d KiB of output, afterwards %d KiB", before, peak, output, privateKiB(t, pid))
	if peak > before+output*3/2 && !raceEnabled {
		t.Errorf("the init grew from %d to %d KiB", before, peak)
	}
}
