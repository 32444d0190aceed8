package worker

import (
	"strings"
	"testing"

	"edge/plugins/worker/link"
)

// TestReadVLQ writes numbers and reads them again.
func TestReadVLQ(t *testing.T) {
	t.Parallel()
	for _, v := range []int{0, 1, -1, 15, 16, -16, 1023, -123456, 1 << 29} {
		s := string(appendVLQ(nil, v)) + "A"
		if got, rest, ok := readVLQ(s); !ok || got != v || rest != "A" {
			t.Errorf("%d is %q, which reads as %d, rest %q, %v", v, s, got, rest, ok)
		}
	}
}

// FuzzPositions reads source maps, and finds no place outside of the sources.
func FuzzPositions(f *testing.F) {
	f.Add("AAAA,CAAC;AACA;;EAEEA", 1, 2)
	f.Add("gggggggggggB", 1, 1)
	f.Add(";;A,,C", 3, 9)
	f.Fuzz(func(t *testing.T, mappings string, line, column int) {
		if strings.ContainsAny(mappings, "\"\\") {
			return
		}
		var p positions
		if p.read([]byte(`{"version":3,"sources":["a.ts","b.ts"],"mappings":"`+mappings+`"}`)) != nil {
			return
		}
		if from, known := p.find(line, column); known && (from.source < 0 || from.source > 1 || from.line < 0 || from.column < 0) {
			t.Errorf("%d:%d of %q is %+v", line, column, mappings, from)
		}
		_ = p.script()
	})
}

// TestPlaceOfOurs names no place in what the bundler adds to a source.
func TestPlaceOfOurs(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{"edge:edge:runtime": "", entryName: "", "worker.ts": "worker.ts"} {
		p := positions{sources: []string{source}, lines: [][]position{{{}}}}
		e := p.sourceError("/project", &link.ScriptError{Message: "Error: x", Stack: "    at f (worker.js:1:1)"})
		if e.File != want {
			t.Errorf("%s: the error's file is %q, want %q", source, e.File, want)
		}
	}
}
