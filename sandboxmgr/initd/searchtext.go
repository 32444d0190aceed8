package initd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"edge/abi"
)

const (
	// maxSearched is the largest file that is searched, in bytes.
	maxSearched = 64 << 20
	// maxSearchedLine is how much of a line is looked at, maxShownLine how much
	// of one is answered.
	maxSearchedLine = 1 << 20
	maxShownLine    = 1 << 10
	searchBlock     = 64 << 10
)

// textSearch looks for a text in the lines of files, one after the other.
type textSearch struct {
	literal []byte         // nil for a regular expression
	re      *regexp.Regexp // nil for a literal
	buf     []byte
}

func newTextSearch(req *abi.SearchFilesRequest) (*textSearch, error) {
	switch {
	case len(req.Text) > maxPattern:
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the text is %d bytes long, at most %d are allowed", len(req.Text), maxPattern)
	case !req.Regexp && strings.ContainsAny(req.Text, "\r\n\x00"):
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the text holds a line break or a NUL byte, and is searched line by line").
			WithSuggestion("search for one of the lines")
	case !req.Regexp && !req.IgnoreCase:
		return &textSearch{literal: []byte(req.Text)}, nil
	}
	expr := req.Text
	if !req.Regexp {
		expr = regexp.QuoteMeta(expr)
	} else if _, err := compilePattern(expr, true); err != nil { // says what is JavaScript's alone
		return nil, err
	}
	if req.IgnoreCase {
		expr = "(?i)" + expr
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the text is not a regular expression: %v", err)
	}
	return &textSearch{re: re}, nil
}

func (s *textSearch) matches(line []byte) bool {
	if s.re != nil {
		return s.re.Match(line)
	}
	return bytes.Contains(line, s.literal)
}

// textLine is a line that matched.
type textLine struct {
	number int
	text   string // cut to maxShownLine
}

// file looks through a file of at most maxSearched bytes and calls found for
// every line that matches, until that returns an error. A file that is not text
// has none. It tells whether all of the file was looked at.
func (s *textSearch) file(ctx context.Context, r io.Reader, found func(textLine) error) (all bool, err error) {
	if s.buf == nil {
		s.buf = make([]byte, searchBlock)
	}
	l := lines{search: s, r: io.LimitReader(r, maxSearched+1), found: found, all: true}
	for !l.over {
		if err := l.block(ctx); err != nil {
			return false, err
		}
	}
	return l.all && l.read <= maxSearched, nil
}

// lines goes through the lines of one file.
type lines struct {
	search *textSearch
	r      io.Reader
	found  func(textLine) error

	read   int64 // bytes so far
	kept   int   // bytes at the beginning of the buffer: an unfinished line
	number int   // lines so far
	inside bool  // within the rest of a line that is too long
	all    bool
	over   bool
}

// block reads on and deals with the lines that are complete.
func (l *lines) block(ctx context.Context) error {
	buf := l.search.buf
	n, err := io.ReadFull(l.r, buf[l.kept:])
	l.over = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !l.over {
		return err
	}
	text := buf[:l.kept+n]
	if l.read == 0 && !isText(text, l.over) {
		l.over = true
		return nil
	}
	l.read += int64(n)
	whole := text
	if !l.over {
		whole = text[:bytes.LastIndexByte(text, '\n')+1]
	}
	if err := l.each(ctx, whole); err != nil {
		return err
	}
	rest := text[len(whole):]
	switch {
	case len(rest) < len(buf):
	case len(buf) <= maxSearchedLine:
		l.search.buf = make([]byte, min(2*len(buf), maxSearchedLine+1)) // with the line's end
	default: // the line is too long: its beginning counts
		l.all = false
		if err := l.cut(rest[:maxSearchedLine]); err != nil {
			return err
		}
		rest = nil
	}
	l.kept = copy(l.search.buf, rest)
	return nil
}

// cut deals with a piece of a line that is too long.
func (l *lines) cut(piece []byte) error {
	if l.inside {
		return nil
	}
	l.inside = true
	return l.line(piece, l.number+1)
}

// each deals with the lines in text, which ends with one.
func (l *lines) each(ctx context.Context, text []byte) error {
	if l.inside {
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			return nil
		}
		text, l.inside = text[end+1:], false
		l.number++
	}
	if lit := l.search.literal; lit != nil && !bytes.Contains(text, lit) {
		l.number += bytes.Count(text, []byte{'\n'}) // the usual case, and quick
		return ctx.Err()
	}
	for line := range bytes.Lines(text) {
		if err := ctx.Err(); err != nil { // an expression can take long for one line
			return err
		}
		l.number++
		if err := l.line(line, l.number); err != nil {
			return err
		}
	}
	return nil
}

func (l *lines) line(line []byte, number int) error {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
	if !l.search.matches(line) {
		return nil
	}
	if len(line) > maxShownLine {
		line = wholeRunes(line[:maxShownLine])
	}
	return l.found(textLine{number, string(line)})
}

// isText tells whether a file's beginning is text: UTF-8 without a NUL. Unless it
// is all, a character may be cut through.
func isText(b []byte, all bool) bool {
	if !all {
		b = wholeRunes(b)
	}
	return bytes.IndexByte(b, 0) < 0 && utf8.Valid(b)
}
