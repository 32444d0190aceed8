package initd

import (
	"errors"
	"strings"
	"testing"

	"edge/abi"
)

func TestGlob(t *testing.T) {
	t.Parallel()
	tests := []struct {
		glob    string
		matches string // separated by spaces
		misses  string
	}{
		{"*.go", "a.go x/a.go x/y/.go", "a.goo go x/a.go/b"},
		{"/*.go", "a.go", "x/a.go"},
		{"./*.go", "a.go x/a.go", "a.c"},
		{"src/*.go", "src/a.go", "src/x/a.go a.go y/src/a.go"},
		{"src/**", "src/a src/a/b", "src srcs/a"},
		{"src/**/a", "src/a src/x/a src/x/y/a", "src/xa a"},
		{"**/a", "a x/a x/y/a", "xa x/a/b"},
		{"**/a/**", "a/b x/a/b", "a x/a"},
		{"**", "a x/a", ""},
		{"a**b/c", "ab/c axb/c a/x/b/c", "ab a/c"},
		{"a?c", "abc a€c x/abc", "ac a/c abbc"},
		{"[a-c]x", "ax bx", "dx x"},
		{"[!a-c]x", "dx -x", "ax x/x"},
		{"[^a]x", "bx", "ax"},
		{"[]a]x", "]x ax", "bx"},
		{"[a-]x", "ax -x", "bx"},
		{"x[.-0]y/z", "x.y/z x0y/z", "x/y/z"},
		{"x[/]y/z", "", "x/y/z"},
		{`[\]]`, "]", "a"},
		{"*.{go,ts}", "a.go b.ts", "a.js a.go,ts"},
		{"{a,b/{c,d}}/e", "a/e b/c/e b/d/e", "b/e c/e"},
		{"{**/x,y}/z", "x/z q/x/z y/z", "q/y/z"},
		{`\*`, "*", "a"},
		{`\{a,b\}`, "{a,b}", "a b"},
		{"a,b}", "a,b}", "a"},
		{"a.b+c(d)|$^", "a.b+c(d)|$^", "aXb+c(d)|$^"},
		{"dir/", "dir x/dir", "dir/x"},
		{"\ufffd", "\xff", "a"},
	}
	for _, tt := range tests {
		t.Run(tt.glob, func(t *testing.T) {
			t.Parallel()
			g, err := compileGlob(tt.glob)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range strings.Fields(tt.matches) {
				if !g.match(path) {
					t.Errorf("does not match %q (%s)", path, g.re)
				}
			}
			for _, path := range strings.Fields(tt.misses) {
				if g.match(path) {
					t.Errorf("matches %q (%s)", path, g.re)
				}
			}
		})
	}
}

func TestGlobRefuses(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("{a*,b", 2000) + strings.Repeat("}", 2000)
	for _, text := range []string{"", "/", "./", "[", "[a", "[!", "[]", "{a", "{a,{b}", `a\`, "[z-a]", "a\x00", deep, strings.Repeat("a", maxPattern+1)} {
		_, err := compileGlob(text)
		var e *abi.Error
		if !errors.As(err, &e) || e.Code != abi.CodeInvalidRequest {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if _, err := compileGlob(strings.Repeat("a", maxPattern)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
}

// FuzzGlob: no glob makes an expression that does not compile for another reason
// than its size, and a path without specials matches itself.
func FuzzGlob(f *testing.F) {
	for _, seed := range []string{"*.go", "a/**/b", "{a,b}[!x]", `\`, "[]-a]", "**", "x[.-0]y", "}{", "[\xff]"} {
		f.Add(seed, "a/b.go")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		g, err := compileGlob(text)
		if err != nil {
			if strings.Contains(err.Error(), "too complicated") && strings.Count(text, "{") < 500 {
				t.Fatal(err)
			}
			return
		}
		g.match(path)
		if strings.ContainsAny(text, `*?[{}\,`) {
			return
		}
		if plain := strings.Trim(strings.TrimPrefix(text, "./"), "/"); !g.match(plain) {
			t.Fatalf("%q does not match itself", text)
		}
	})
}
