package kv

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"edge/abi"
)

// victimEnv makes the test binary a process that stores until it is killed.
const victimEnv = "EDGE_KV_TEST_VICTIM"

// runVictim prints each number after it was answered.
func runVictim(path string) int {
	s, err := Open(path, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for n := 0; ; n++ {
		rev, err := s.Set(context.Background(), "p", fmt.Sprint("k", n%7), []byte(strconv.Itoa(n)), abi.KVSetOptions{TTL: abi.Duration(n%2) * 1e15})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(n, rev)
	}
}

// TestKill kills a process amid its writes: what was answered is there, and the
// counts are those of what is there.
func TestKill(t *testing.T) {
	t.Parallel()
	path := file(t)
	var newest uint64
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
		answered := map[string]uint64{} // value to revision, the newest of each key
		note := func(line string) {
			var n, rev uint64
			if _, err := fmt.Sscan(line, &n, &rev); err != nil {
				t.Fatal(err)
			}
			if rev <= newest {
				t.Fatalf("revision %d after %d", rev, newest)
			}
			newest = rev
			answered[fmt.Sprint("k", n%7)] = rev
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 20+7*round && lines.Scan(); n++ {
			note(lines.Text())
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // answered before the kill took effect
			note(lines.Text())
		}
		_ = cmd.Wait() // killed, as asked

		s := open(t, path)
		for key, rev := range answered {
			if v, err := s.Get(t.Context(), "p", key); err != nil || v.Revision < rev {
				t.Errorf("%s: %+v, %v; revision %d was answered", key, v, err, rev)
			}
		}
		if keys, size, have, haveBytes, _ := counted(t, s, "p"); keys != have || size != haveBytes {
			t.Errorf("counts %d and %d, there are %d and %d", keys, size, have, haveBytes)
		}
		v, err := s.Set(t.Context(), "p", "after", nil, abi.KVSetOptions{})
		if err != nil || v <= newest {
			t.Errorf("revision %d, %v after %d", v, err, newest)
		}
		newest = v
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
