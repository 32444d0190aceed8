//go:build !wasip1

package abi_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"edge/abi"
)

// TestAssemblyScriptSDKIsComplete wants every file of the folder in the program.
func TestAssemblyScriptSDKIsComplete(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir("assemblyscript")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, e := range entries {
		want = append(want, e.Name())
	}
	if err := fstest.TestFS(abi.AssemblyScriptSDK(), want...); err != nil {
		t.Error(err)
	}
}

// TestAssemblyScriptOperations wants a method of Sandbox for every operation, by
// its name.
func TestAssemblyScriptOperations(t *testing.T) {
	t.Parallel()
	source := sdkText(t, "sandbox.ts")
	for _, row := range abi.Operations {
		name := row.Name()
		if !regexp.MustCompile(`(?m)^  ` + name + `\(`).MatchString(source) {
			t.Errorf("sandbox.ts has no method %s", name)
		}
		if !strings.Contains(source, `"`+name+`"`) {
			t.Errorf("sandbox.ts never asks for the operation %s", name)
		}
	}
}

// TestAssemblyScriptFields wants every field of every request to be written.
func TestAssemblyScriptFields(t *testing.T) {
	t.Parallel()
	source := sdkText(t, "sandbox.ts") + sdkText(t, "options.ts")
	for _, row := range abi.Operations {
		in := reflect.TypeOf(row.NewRequest()).Elem()
		for i := range in.NumField() {
			field, _, _ := strings.Cut(in.Field(i).Tag.Get("json"), ",")
			if field != "" && field != "-" && !strings.Contains(source, `"`+field+`"`) {
				t.Errorf("neither sandbox.ts nor options.ts writes %s of %s", field, row.Name())
			}
		}
	}
}

// TestAssemblyScriptErrors compares the error tables of the SDK and of its fake
// host with the contract's.
func TestAssemblyScriptErrors(t *testing.T) {
	t.Parallel()
	fake, errors := sdkText(t, "edge-test.mjs"), sdkText(t, "errors.ts")
	table := regexp.MustCompile(`(?s)const errnos = \{(.*?)\};`).FindStringSubmatch(fake)
	if table == nil {
		t.Fatal("edge-test.mjs has no errnos")
	}
	got := map[string]string{}
	for _, m := range regexp.MustCompile(`([A-Z_]+): (\d+)`).FindAllStringSubmatch(table[1], -1) {
		got[m[1]] = m[2]
	}
	for _, m := range regexp.MustCompile(`const ([A-Z_]+): string = "([A-Z_]+)"`).FindAllStringSubmatch(errors, -1) {
		if m[1] != m[2] {
			t.Errorf("errors.ts: %s is %q", m[1], m[2])
		}
		if _, known := got[m[2]]; !known {
			t.Errorf("errors.ts has the code %s, which edge-test.mjs does not know", m[2])
		}
	}
	for _, code := range abi.Codes() {
		if want := code.Errno(); got[string(code)] != strconv.Itoa(int(want)) {
			t.Errorf("edge-test.mjs: %s is %s, want %d", code, got[string(code)], want)
		}
	}
}

// TestAssemblyScriptExample builds the example and runs its unit tests, natively.
func TestAssemblyScriptExample(t *testing.T) {
	t.Parallel()
	compiler, err := filepath.Abs("../node_modules/assemblyscript/bin/asc.js")
	if err != nil {
		t.Fatal(err)
	}
	_, missing := os.Stat(compiler)
	if _, err := exec.LookPath("node"); err != nil || missing != nil {
		const why = "no AssemblyScript compiler: this needs node, and npm ci in the repository's root"
		if os.Getenv("CI") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	module := filepath.Join(t.TempDir(), "plugin.wasm")
	for _, args := range [][]string{{compiler, "--config", "asconfig.json", "--outFile", module}, {"--test", "plugin.test.mjs"}} {
		cmd := exec.CommandContext(t.Context(), "node", args...)
		cmd.Dir, cmd.Env = "../examples/wasm/echo-assemblyscript", append(os.Environ(), "PLUGIN="+module)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("node %s: %v\n%s", strings.Join(args, " "), err, text)
		}
	}
}

func sdkText(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("assemblyscript", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
