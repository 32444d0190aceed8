package worker

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"edge/plugins/worker/link"
)

// positions tell which place of the sources a place of the bundle comes from. They are
// read from a source map (ECMA-426, version 3).
type positions struct {
	sources []string
	// lines has for each line of the bundle what begins in it, in order.
	lines [][]position
}

// position is where a piece of the bundle comes from. All count from 0; columns are
// bytes here and UTF-16 units there, which differ in lines that are not ASCII alone.
type position struct{ at, source, line, column int }

var errSourceMap = errors.New("the bundler's source map cannot be read")

// read takes the positions from a source map.
func (p *positions) read(sourceMap []byte) error {
	var m struct {
		Version  int
		Sources  []string
		Mappings string
	}
	if err := json.Unmarshal(sourceMap, &m); err != nil {
		return fmt.Errorf("%w: %w", errSourceMap, err)
	}
	if m.Version != 3 {
		return fmt.Errorf("%w: version %d", errSourceMap, m.Version)
	}
	p.sources, p.lines = m.Sources, nil
	var last position
	for row := range strings.SplitSeq(m.Mappings, ";") {
		line, err := last.row(row, len(m.Sources))
		if err != nil {
			return err
		}
		p.lines = append(p.lines, line)
	}
	return nil
}

// row reads one line's segments. All fields but at go on from the line before.
func (last *position) row(row string, sources int) ([]position, error) {
	var line []position
	last.at = 0
	for segment := range strings.SplitSeq(row, ",") {
		if segment == "" {
			continue
		}
		var fields [5]int
		n := 0
		for rest := segment; rest != ""; n++ {
			v, after, ok := readVLQ(rest)
			if !ok || n == len(fields) {
				return nil, fmt.Errorf("%w: segment %q", errSourceMap, segment)
			}
			fields[n], rest = v, after
		}
		last.at += fields[0]
		if n < 4 {
			continue // from nowhere
		}
		last.source, last.line, last.column = last.source+fields[1], last.line+fields[2], last.column+fields[3]
		if last.at < 0 || last.source < 0 || last.source >= sources || last.line < 0 || last.column < 0 {
			return nil, fmt.Errorf("%w: segment %q", errSourceMap, segment)
		}
		line = append(line, *last)
	}
	return line, nil
}

const vlqDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// readVLQ reads a number of base 64 digits, the lowest five bits first.
func readVLQ(s string) (v int, rest string, ok bool) {
	for i, shift := 0, 0; i < len(s) && shift <= 30; i, shift = i+1, shift+5 {
		d := strings.IndexByte(vlqDigits, s[i])
		if d < 0 {
			return 0, s, false
		}
		v |= (d & 31) << shift
		if d&32 == 0 {
			if v&1 != 0 {
				return -(v >> 1), s[i+1:], true
			}
			return v >> 1, s[i+1:], true
		}
	}
	return 0, s, false
}

// appendVLQ is the reverse of readVLQ.
func appendVLQ(b []byte, v int) []byte {
	u := v << 1
	if v < 0 {
		u = -v<<1 | 1
	}
	for {
		d := u & 31
		if u >>= 5; u > 0 {
			d |= 32
		}
		if b = append(b, vlqDigits[d]); u == 0 {
			return b
		}
	}
}

// find returns where a place of the bundle comes from; line and column count from 1.
func (p *positions) find(line, column int) (from position, known bool) {
	if line < 1 || line > len(p.lines) {
		return position{}, false
	}
	row := p.lines[line-1]
	i, exact := slices.BinarySearchFunc(row, column-1, func(e position, at int) int { return cmp.Compare(e.at, at) })
	if !exact {
		i--
	}
	if i < 0 {
		return position{}, false
	}
	return row[i], true
}

// script is the positions as the runtime takes them, a JavaScript expression: as
// in a source map, but each line stands alone, so that a line is found without
// reading all before it.
func (p *positions) script() string {
	var mappings []byte
	for i, row := range p.lines {
		if i > 0 {
			mappings = append(mappings, ';')
		}
		var last position
		for j, e := range row {
			if j > 0 {
				mappings = append(mappings, ',')
			}
			for _, v := range []int{e.at - last.at, e.source - last.source, e.line - last.line, e.column - last.column} {
				mappings = appendVLQ(mappings, v)
			}
			last = e
		}
	}
	names := make([]string, len(p.sources))
	for i, s := range p.sources {
		names[i] = filepath.ToSlash(s)
	}
	j, err := json.Marshal(map[string]any{"sources": names, "mappings": string(mappings)})
	if err != nil {
		return "null"
	}
	return string(j)
}

// place is a position in a stack trace of the bundle.
var place = regexp.MustCompile(regexp.QuoteMeta(bundleName) + `:(\d+):(\d+)`)

// sourceError makes what a script threw an error of the source.
func (p *positions) sourceError(dir string, thrown *link.ScriptError) *SourceError {
	e := &SourceError{Text: thrown.Message + adviseGlobal(thrown.Message)}
	if m := place.FindStringSubmatch(thrown.Stack); m != nil {
		line, _ := strconv.Atoi(m[1])
		column, _ := strconv.Atoi(m[2])
		if from, known := p.find(line, column); known && !strings.Contains(p.sources[from.source], ours+":") {
			file := filepath.Join(dir, p.sources[from.source])
			e.File, e.Line, e.Column = relative(dir, file), from.line+1, from.column+1
			e.Snippet = snippetOf(file, from)
		}
	}
	return e
}

// snippetOf reads the line of a position from its source; it is empty if that cannot be read.
func snippetOf(file string, at position) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	lines := strings.SplitN(string(text), "\n", at.line+2)
	if at.line >= len(lines) {
		return ""
	}
	return snippet(at.line+1, strings.TrimSuffix(lines[at.line], "\r"), at.column, 1)
}
