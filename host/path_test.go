package host

import (
	"strings"
	"testing"
)

func TestPathProblem(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/": "", "/a/b": "", "/a/../b": "", "/a/b/../..": "", "/a/./../": "", "/..a": "", "/...": "", "/%41%2e%7e": "", "/%2F%5c": "", "/a%2f..": "", "/_preview/80/a-b/../": "",
		"/%": "no two", "/%2": "no two", "/%zz": "no two", "/a%g1": "no two", "/%00": "NUL", "/a%00b": "NUL",
		"/..": "above", "/../a": "above", "/./..": "above", "//..": "above", "/a//../..": "above", "/a/../../b": "above",
		"/%2e%2E": "above", "/.%2e/": "above", "/a%2f..%2F..": "above", "/%2e%2e%2fa": "above",
	} {
		if got := pathProblem(path); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestValidMethod(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]bool{
		"GET": true, "M-SEARCH": true, "VERSION-CONTROL": true, "X_Y": true, strings.Repeat("A", maxMethodBytes): true,
		"": false, "get": false, "Get": false, "GET1": false, "helloGET": false, "G ET": false, "GET\x00": false, strings.Repeat("A", maxMethodBytes+1): false,
	} {
		if got := validMethod(method); got != want {
			t.Errorf("%q: %t", method, got)
		}
	}
}
