//go:build !wasip1

package abi_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"edge/abi"
)

// sdkPackages are the folders of this repository that the SDK is made of.
var sdkPackages = []string{".", "guest", "guest/guesttest", "guest/internal/edge1"}

// TestGoSDKIsComplete fails when a source file was added, renamed or removed and
// the list in sdk.go was not. What only the edge itself needs is no part of it.
func TestGoSDKIsComplete(t *testing.T) {
	t.Parallel()
	var want []string
	for _, dir := range sdkPackages {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasPrefix(f, "sdk") && f != "descriptions.go" && f != "explanation.go" && !strings.HasSuffix(f, "_test.go") {
				want = append(want, filepath.ToSlash(f))
			}
		}
	}
	sdk := abi.GoSDK()
	if err := fstest.TestFS(sdk, want...); err != nil {
		t.Error(err)
	}
	var got []string
	err := fs.WalkDir(sdk, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			got = append(got, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("SDK holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestGoSDKFollowsTheModule compares the Go version that the SDK asks for with
// this module's.
func TestGoSDKFollowsTheModule(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(abi.GoSDKModule), "\n") {
		if !strings.Contains(string(mod), line+"\n") {
			t.Errorf("the SDK's go.mod says %q, this module's does not", line)
		}
	}
}

// TestGoSDKBuildsOffline writes a project as "edge plugin new" does, and builds
// its module, and runs its native test, with no module proxy and no other module.
func TestGoSDKBuildsOffline(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "edge-sdk", "abi"), abi.GoSDK()); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"edge-sdk/go.mod": abi.GoSDKModule,
		"go.mod":          "module example.com/hello\n\ngo 1.26.0\n\nrequire edge v0.0.0\n\nreplace edge => ./edge-sdk\n",
		"main.go": `package main

import "edge/abi/guest"

func init() { guest.Handle(decide) }

func main() {}

func decide(req *guest.Request) (guest.Response, error) {
	return guest.GetSandbox("Sandbox", "my-sandbox").WSConnect(req, 8080)
}
`,
		"main_test.go": `package main

import (
	"testing"

	"edge/abi"
	"edge/abi/guest/guesttest"
)

func TestDecide(t *testing.T) {
	result := new(guesttest.Host).Do(guesttest.WebSocket("/"))
	if c, ok := result.Decision.(*abi.Connect); !ok || c.Port != 8080 {
		t.Errorf("decision %+v, want a connection to 8080", result.Decision)
	}
}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	offline := append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "CGO_ENABLED=0")
	goTool(t, dir, append(offline, "GOOS=wasip1", "GOARCH=wasm"), "build", "-buildmode=c-shared", "-o", "hello.wasm", ".")
	if b, err := os.ReadFile(filepath.Join(dir, "hello.wasm")); err != nil || !strings.HasPrefix(string(b), "\x00asm") {
		t.Errorf("no module was built: %v", err)
	}
	goTool(t, dir, offline, "test", "./...")
	goTool(t, dir, offline, "vet", "edge/...")
}

func goTool(t *testing.T, dir string, env []string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Env = dir, env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
