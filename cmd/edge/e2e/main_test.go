// Package e2e tests the real binary with real clients and real sandboxes: what
// a user would do, done by a program.
//
// The tests need what `make setup` makes. TestMain asks make for
// it, so that `go test ./...` works as well. With CI=true nothing is skipped.
package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// root is the checkout.
var root string

// binary is the edge under test: bin/edge, or one built with the race detector
// when the tests are.
var binary string

func TestMain(m *testing.M) {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func prepare() error {
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	root = filepath.Join(wd, "..", "..", "..")
	binary = filepath.Join(root, "bin", "edge")
	if err := makeTargets("setup"); err != nil {
		return err
	}
	if err := compileExamples(); err != nil || !raceEnabled {
		return err
	}
	binary = filepath.Join(root, "bin", "edge-race")
	cmd := exec.Command("go", "build", "-race", "-o", binary, "./cmd/edge")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=1")
	return output(cmd)
}

// compileExamples fills the compilation cache that all tests share, so that none of
// them waits for a compiler: a module in Go takes seconds of a processor. The binary
// without the race detector does it, which is much faster.
func compileExamples() error {
	r, err := os.MkdirTemp("", "edge-warm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(r)
	e := &edge{addr: "127.0.0.1:0", state: filepath.Join(r, "s"), config: filepath.Join(r, "edge.yaml")}
	if err := errors.Join(os.WriteFile(e.config, examples("process").yaml(e), 0o600), linkCache(e.state)); err != nil {
		return err
	}
	cmd := exec.Command(binary, "serve", "--config", e.config)
	said, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	served := false
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if strings.Contains(lines.Text(), "msg=serving") {
			served = true
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				return err
			}
		}
	}
	if err := cmd.Wait(); err != nil || !served {
		return fmt.Errorf("%s: served: %t, %w", cmd, served, err)
	}
	return nil
}

// makeTargets asks make for what tests need, one package's tests at a time: two makes
// beside each other would write the same files.
func makeTargets(targets ...string) error {
	return run("flock", append([]string{"-o", root, "make", "-C", root}, targets...)...)
}

func run(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	for _, kv := range os.Environ() {
		// A make above us owns its own job slots; cgo is for the race detector alone.
		if key, _, _ := cutEnv(kv); key != "MAKEFLAGS" && key != "MFLAGS" && key != "MAKELEVEL" && key != "CGO_ENABLED" {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	return output(cmd)
}

func output(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}
