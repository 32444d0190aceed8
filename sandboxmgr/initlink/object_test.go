package initlink

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzIsObject compares with encoding/json.
func FuzzIsObject(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1}`, `{"a":[1,-2.5e+3,"x\u00e4\n",true,false,null,{}],"b":{"c":[]}}`, ` {}`, `{} `, `{}{}`, `{"a":01}`, `{"a":1.}`, `{"a":-}`,
		`{"a":1e}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a"}`, `{"a":}`, `{,}`, `{"a":1,}`, `{a:1}`, `[1]`, `1`, `"a"`, `{"a":tru}`, "{\n}", "{\"a\":\"\x01\"}",
		"{\"\xff\":1}", `{"a":"`, `{"a":"\`, `{"a":"\u0`, `{"a":[}`, ``, `{ "a" : [ 1 , 2 ] }`, "{\"a\":\"\x7f\u2028\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		control := slices.ContainsFunc(b, func(c byte) bool { return c < ' ' })
		want := len(b) > 0 && b[0] == '{' && b[len(b)-1] == '}' && !control && utf8.Valid(b) && json.Valid(b)
		if got := isObject(b); got != want && strings.Count(string(b), "[")+strings.Count(string(b), "{") < maxDepth {
			t.Errorf("%q: got %v, want %v", b, got, want)
		}
	})
}

// TestIsObjectDepth: depth costs a bounded stack.
func TestIsObjectDepth(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]bool{maxDepth - 1: true, maxDepth + 1: false, 30000: false} {
		if got := isObject([]byte(`{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`)); got != want {
			t.Errorf("depth %d: got %v", n, got)
		}
	}
}

func BenchmarkIsObject(b *testing.B) {
	text := []byte(`{"type":"stdout","data":"` + strings.Repeat("some output\\n", 4000) + `"}`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if !isObject(text) {
			b.Fatal("refused")
		}
	}
}

func BenchmarkJSONValid(b *testing.B) {
	text := []byte(`{"type":"stdout","data":"` + strings.Repeat("some output\\n", 4000) + `"}`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if !json.Valid(text) {
			b.Fatal("refused")
		}
	}
}
