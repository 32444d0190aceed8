package plugins

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// buildRustGuest compiles a guest with the Rust SDK, both at one optimisation level:
// Debian's rustc does it, or whichever has the target.
func buildRustGuest(t testing.TB, level, source string) string {
	t.Helper()
	rustc := ""
	for _, name := range []string{"/usr/bin/rustc", "rustc"} {
		dir, err := exec.Command(name, "--print", "target-libdir", "--target", "wasm32-unknown-unknown").Output()
		if _, missing := os.Stat(strings.TrimSpace(string(dir))); err == nil && missing == nil {
			rustc = name
			break
		}
	}
	needToolchain(t, rustc != "", "Rust for wasm32-unknown-unknown: Debian's rustc and libstd-rust-dev-wasm32")
	dir := t.TempDir()
	library, guest := filepath.Join(dir, "libedge.rlib"), filepath.Join(dir, "guest.wasm")
	flags := []string{"--edition", "2021", "--target", "wasm32-unknown-unknown", "-C", "opt-level=" + level, "-C", "target-feature=+bulk-memory",
		"-C", "panic=abort", "-D", "warnings"}
	toolchain(t, rustc, append(slices.Clone(flags), "--crate-name", "edge", "--crate-type", "rlib", "-o", library, "../abi/rust/src/lib.rs")...)
	toolchain(t, rustc, append(slices.Clone(flags), "-C", "strip=symbols", "--crate-type", "cdylib", "--extern", "edge="+library, "-o", guest, source)...)
	return guest
}

// buildCGuest compiles a guest with the C SDK and without a C library, which the SDK
// does not need.
func buildCGuest(t testing.TB, level, source string) string {
	t.Helper()
	sdk, err := filepath.Glob("../abi/c/edge_*.c")
	if err != nil || len(sdk) == 0 {
		t.Fatalf("the C SDK has %d sources, %v", len(sdk), err)
	}
	return compileC(t, append([]string{level, "-mbulk-memory", "-DEDGE_NO_LIBC", "-Wall", "-Wextra", "-Werror", "-I../abi/c", source}, sdk...)...)
}

// compileC compiles a module that has no C library.
func compileC(t testing.TB, args ...string) string {
	t.Helper()
	_, err := exec.LookPath("clang")
	_, missing := exec.LookPath("wasm-ld")
	needToolchain(t, err == nil && missing == nil, "clang and lld")
	guest := filepath.Join(t.TempDir(), "guest.wasm")
	toolchain(t, "clang", append([]string{"--target=wasm32", "-nostdlib", "-Wl,--no-entry", "-o", guest}, args...)...)
	return guest
}

// needToolchain skips a language loudly, and fails in CI.
func needToolchain(t testing.TB, there bool, what string) {
	t.Helper()
	switch {
	case there:
	case os.Getenv("CI") != "":
		t.Fatalf("CI must have this: %s", what)
	default:
		t.Skipf("SKIPPED, NOT TESTED: needs %s", what)
	}
}

func toolchain(t testing.TB, name string, args ...string) {
	t.Helper()
	if text, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, text)
	}
}
