package initd

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"edge/abi"
)

func TestStripANSI(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"plain", "plain"},
		{"\x1b[32mgreen\x1b[0m", "green"},
		{"\x1b[38;2;1;2;3mrgb", "rgb"},
		{"\x1b[2K\x1b[1Gline", "line"},
		{"\x1b]0;title\x07text", "text"},
		{"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"},
		{"\x1b(Bascii\x1b7\x1b8", "ascii"},
		{"cut \x1b[3", "cut "},
		{"cut \x1b", "cut "},
		{"cut \x1b]0;ti", "cut "},
		{"\x1b[\nx", "\nx"},
	}
	for _, tt := range tests {
		if got := string(stripANSI([]byte(tt.in))); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzStripANSI(f *testing.F) {
	f.Add([]byte("\x1b[32mgreen\x1b]0;t\x07"))
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		got := stripANSI(in)
		if len(got) > len(in) || !bytes.Equal(in, before) {
			t.Errorf("%q became %q", before, got)
		}
		if bytes.IndexByte(in, escape) < 0 && !bytes.Equal(got, in) {
			t.Errorf("%q has no sequence and became %q", in, got)
		}
	})
}

func TestForeignConstructs(t *testing.T) {
	t.Parallel()
	tests := []struct{ pattern, construct string }{
		{`foo(?=bar)`, "lookahead"}, {`foo(?!bar)`, "negative lookahead"},
		{`(?<=a)b`, "lookbehind"}, {`(?<!a)b`, "negative lookbehind"},
		{`(a)\1`, `\1`}, {`(?<x>a)\k<x>`, `\k<...>`}, {`\u0041`, `\u`}, {`\cM`, `\c`},
		{`[^]`, "[^]"}, {`[]`, "[]"}, {`\p{Script=Greek}`, `\p{...=...}`},
		{`[(?=](?=x)`, "lookahead"}, {`\(?=x(`, ""}, {`a{2000}`, ""}, {`[z-a]`, ""}, {`*`, ""}, {`\`, ""},
	}
	for _, tt := range tests {
		_, err := compilePattern(tt.pattern, true)
		e := abi.AsError(err)
		if e == nil || e.Code != abi.CodeInvalidRequest {
			t.Errorf("%s: got %v", tt.pattern, err)
			continue
		}
		if foreign := strings.Contains(e.Message, "JavaScript"); foreign != (tt.construct != "") || !strings.Contains(e.Message, tt.construct) {
			t.Errorf("%s: %s", tt.pattern, e.Message)
		}
	}
	for _, good := range []string{`(?<x>a)`, `\d+\.\d`, `[\d\]]`, `\/`, `(?i)ready`, `\x41`, `a|b`, `\p{Greek}`, `\Q(?=\E`} {
		if _, err := compilePattern(good, true); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	if _, err := compilePattern(strings.Repeat("x", maxPattern+1), false); err == nil {
		t.Error("a pattern beyond the bound was taken")
	}
}

func FuzzPattern(f *testing.F) {
	f.Add(`(a)\1[^]\p{`)
	f.Fuzz(func(t *testing.T, s string) {
		if find, err := compilePattern(s, true); err == nil {
			find("a line")
		}
	})
}

// TestMatcherPieces feeds a text in pieces of every size: the lines are the
// same.
func TestMatcherPieces(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("l", maxLine+10)
	text := "one\r\n\ntwo\n" + long + "\nlast"
	want := fmt.Sprint([]string{"one", "", "two", long[:maxLine], long[maxLine:], "last"})
	for _, size := range []int{1, 2, 3, 7, 4096, maxLine, len(text)} {
		var lines []string
		m := &matcher{find: func(line string) []string { lines = append(lines, line); return nil }}
		for rest := []byte(text); len(rest) > 0; {
			n := min(size, len(rest))
			m.feed(rest[:n])
			rest = rest[n:]
		}
		m.flush(false) // it has only just come
		m.flush(false)
		if fmt.Sprint(lines) != want {
			t.Errorf("pieces of %d: %d lines", size, len(lines))
		}
	}
}
