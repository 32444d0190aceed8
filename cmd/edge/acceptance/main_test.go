// Package acceptance tries previews with what people run: dev servers and other
// tools as they come, each in a sandbox of either runtime, opened by a real
// Chromium at its preview's URL, over HTTP and HTTPS, under a domain that is not
// localhost. Nothing is configured in the tools for that.
//
// One edge for each scheme and one browser serve all tests; every test has its own
// sandbox and tab. Screenshots are in build/acceptance. The tests need what `make
// tools` and `make setup` make, and TestMain asks for it. With CI=true nothing is
// skipped.
package acceptance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait for an event. It is generous on purpose: what was
// waited is printed, not judged.
const patience = slowness * 90 * time.Second

var (
	// root is the checkout.
	root string
	// edges are those under test, by the scheme that they speak.
	edges map[string]*edge
	// chrome is the browser; nil where this machine has none.
	chrome *browser
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "acceptance:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run runs the tests between the start and the end of what they share.
func run(m *testing.M) (code int, err error) {
	if err := becomeBrowser(); err != nil {
		return 0, err
	}
	wd, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	root = filepath.Join(wd, "..", "..", "..")
	binary, err := build()
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "edge-acc-") // short: a socket's path is in it
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	edges = map[string]*edge{}
	var roots []string
	for _, scheme := range schemes {
		e, err := startEdge(binary, scheme, filepath.Join(dir, scheme))
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, e.end()) }()
		edges[scheme] = e
		if e.roots != nil {
			roots = append(roots, e.rootFile())
		}
	}
	chrome, err = startBrowser(filepath.Join(dir, "chromium"), roots...)
	if err != nil {
		return 0, err
	}
	defer chrome.close()
	return m.Run(), nil
}

// build makes what the tests need and returns the path of the binary under test:
// bin/edge, or one built with the race detector when the tests are.
func build() (binary string, err error) {
	// The tests of another package may ask make at the same time for the same files.
	if err := command("flock", "-o", root, "make", "-C", root, "setup", "tools"); err != nil || !raceEnabled {
		return filepath.Join(root, "bin", "edge"), err
	}
	binary = filepath.Join(root, "bin", "edge-race")
	cmd := exec.Command("go", "build", "-race", "-o", binary, "./cmd/edge")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=1")
	return binary, said(cmd)
}

// command runs a program that is not part of a make above us: that one owns its job
// slots. cgo is for the race detector alone.
func command(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	for _, kv := range os.Environ() {
		switch key, _, _ := strings.Cut(kv, "="); key {
		case "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CGO_ENABLED":
		default:
			cmd.Env = append(cmd.Env, kv)
		}
	}
	return said(cmd)
}

// said runs a command; its error holds what it printed.
func said(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}

// need fails in CI and skips elsewhere.
func need(t testing.TB, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must have this: %s", what)
	}
	t.Skipf("SKIPPED, NOT TESTED: needs %s", what)
}

// place is where a tool is tried.
type place struct{ runtime, scheme string }

func (p place) String() string { return p.runtime + "-" + p.scheme }

// everywhere runs the test on each runtime and over each scheme, at the same time.
func everywhere(t *testing.T, test func(t *testing.T, p place)) {
	for _, runtime := range []string{"process", "docker"} {
		for _, scheme := range schemes {
			in(t, place{runtime, scheme}, test)
		}
	}
}

// crosswise runs the test on each runtime and over each scheme, but not in all
// four pairs: where a tool takes long.
func crosswise(t *testing.T, test func(t *testing.T, p place)) {
	for i, runtime := range []string{"process", "docker"} {
		in(t, place{runtime, schemes[i%len(schemes)]}, test)
	}
}

func in(t *testing.T, p place, test func(t *testing.T, p place)) {
	t.Run(p.String(), func(t *testing.T) {
		t.Parallel()
		need(t, chrome != nil, "Debian's chromium and libnss3-tools")
		if p.runtime == "docker" {
			err := findDocker()
			need(t, err == nil, fmt.Sprint(err))
		}
		start := time.Now()
		test(t, p)
		t.Logf("took %v", time.Since(start).Round(time.Millisecond))
	})
}

// findDocker tells what is missing to use Docker.
func findDocker() error {
	if err := said(exec.Command("docker", "image", "inspect", "edge-sandbox", "--format", "{{.Id}}")); err != nil {
		return fmt.Errorf("Docker with the image edge-sandbox (make image): %w", err)
	}
	return nil
}
