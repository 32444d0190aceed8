package state_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"edge/sandboxmgr"
	"edge/sandboxmgr/state"
)

// victimEnv makes the test binary a process that commits until it is killed.
const victimEnv = "EDGE_STATE_TEST_VICTIM"

// runVictim prints each revision after its commit was answered.
func runVictim(path string) int {
	s, err := state.Open(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for n := 0; ; n++ {
		v := []byte(strconv.Itoa(n))
		rev, err := s.Commit(context.Background(),
			sandboxmgr.Change{Key: "left", Value: v, Expect: sandboxmgr.AnyRevision},
			sandboxmgr.Change{Key: "right", Value: v, Expect: sandboxmgr.AnyRevision})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(n, rev)
	}
}

// TestKill kills a process amid its commits: what was answered is there, and
// the two halves of a commit agree.
func TestKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	var answered, newest int64
	for round := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), victimEnv+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 20+7*round && lines.Scan(); n++ {
			var rev int64
			if _, err := fmt.Sscan(lines.Text(), &answered, &rev); err != nil {
				t.Fatal(err)
			}
			if rev <= newest {
				t.Fatalf("revision %d after %d", rev, newest)
			}
			newest = rev
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // answered before the kill took effect
			if _, err := fmt.Sscan(lines.Text(), &answered, &newest); err != nil {
				t.Fatal(err)
			}
		}
		_ = cmd.Wait() // killed, as asked

		s := open(t, path)
		left, lerr := s.Get(t.Context(), "left")
		right, rerr := s.Get(t.Context(), "right")
		if lerr != nil || rerr != nil || string(left.Value) != string(right.Value) || left.Revision != right.Revision {
			t.Fatalf("a torn commit: %+v %v, %+v %v", left, lerr, right, rerr)
		}
		if got, _ := strconv.ParseInt(string(left.Value), 10, 64); got < answered || left.Revision < newest {
			t.Fatalf("lost what was answered: %d at %d, answered %d at %d", got, left.Revision, answered, newest)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
