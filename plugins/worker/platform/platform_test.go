// Package platform compares the classes that Workers have with those of Node, which
// are made by others after the same standards, and writes down which there are.
//
// A case is a small program whose value is compared as JSON (answer.js). Each file of
// cases/ is compiled into one Worker, which the engine runs as the edge does, and
// imported by Node. What differs stands in differences.json with the reason; the test
// fails for a difference that is not listed, and for a listed one that is none.
package platform

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edge/cmd/edge/testleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testleak.Settle(m)) }

// patience bounds what a test waits for; it never decides a result.
const patience = 2 * time.Minute

// fewest is how many cases there must be.
const fewest = 500

// nodeMajor is the version of Node that differences.json is about.
const nodeMajor = 20

// answers are what the cases of each file gave.
type answers map[string]map[string]json.RawMessage

func TestPlatform(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("cases/*.js")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	want := inNode(t, files)
	got := inEngine(t, files, want)
	listed := differences(t)
	total := 0
	for _, file := range slices.Sorted(maps.Keys(want)) {
		total += len(want[file])
		for _, name := range slices.Sorted(maps.Keys(want[file])) {
			key := file + "/" + name
			reason, isListed := listed[key]
			delete(listed, key)
			isSame := string(got[file][name]) == string(want[file][name])
			switch {
			case !isSame && !isListed:
				t.Errorf("%s:\n\tengine %s\n\tNode   %s", key, got[file][name], want[file][name])
			case isSame && isListed:
				t.Errorf("%s: does not differ any more; differences.json says: %s", key, reason)
			}
		}
	}
	for key := range listed {
		t.Errorf("differences.json lists %s, which is no case", key)
	}
	if total < fewest {
		t.Errorf("%d cases, want %d or more", total, fewest)
	}
	t.Logf("%d cases in %d files, %d differences", total, len(want), len(differences(t)))
}

// differences reads the listed ones: "file/case" and the reason.
func differences(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("differences.json")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	if err := json.Unmarshal(b, &listed); err != nil {
		t.Fatal(err)
	}
	for key, reason := range listed {
		if len(reason) < 10 {
			t.Errorf("%s has no reason", key)
		}
	}
	return listed
}

// inNode runs the cases with Node's classes.
func inNode(t *testing.T, files []string) answers {
	t.Helper()
	args := []string{"node.js"}
	for _, f := range files {
		args = append(args, "./"+f)
	}
	var out answers
	node(t, &out, args...)
	return out
}

// node runs Node, which says JSON.
func node(t *testing.T, out any, args ...string) {
	t.Helper()
	path := nodePath(t)
	cmd := exec.CommandContext(t.Context(), path, append([]string{"--no-warnings"}, args...)...)
	var said strings.Builder
	cmd.Stderr = &said
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, &said)
	}
	if err := json.Unmarshal(b, out); err != nil {
		t.Fatalf("node said %.200s: %v", b, err)
	}
}

// nodePath finds Node of the version that the lists are made for.
func nodePath(t *testing.T) string {
	t.Helper()
	lack := t.Skipf
	if os.Getenv("CI") == "true" {
		lack = t.Fatalf
	}
	path, err := exec.LookPath("node")
	if err != nil {
		lack("NOT COMPARED: there is no node on this machine: %v", err)
	}
	b, err := exec.CommandContext(t.Context(), path, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(string(b), "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n != nodeMajor {
		lack("NOT COMPARED: the lists are about Node %d, this one is %s", nodeMajor, b)
	}
	return path
}
