package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/evanw/esbuild/pkg/api"

	"edge/plugins"
	"edge/plugins/worker/link"
)

// SourceError is what is wrong at one place of a Worker's source.
type SourceError struct {
	// File is the path of the source, relative to the folder of the Worker's file if it
	// is below it. It is empty if the place is not known.
	File string
	// Line and Column count from 1; 0 is not known.
	Line, Column int
	// Text says what is wrong and, if we know, what to do.
	Text string
	// Snippet is the line of the source with a mark below the place, or "".
	Snippet string
}

// Error implements error: file, line, column and text, and the snippet on lines of its
// own.
func (e *SourceError) Error() string {
	if e.Snippet == "" {
		return e.line()
	}
	return e.line() + "\n" + e.Snippet
}

// line is the error without its snippet.
func (e *SourceError) line() string {
	switch {
	case e.File == "":
		return e.Text
	case e.Line == 0:
		return e.File + ": " + e.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Text)
}

// What a Worker's top level may not do while it is built.
const (
	tooLong = "the top level computes for longer than %s; it is run once, when the Worker is built: do that in fetch()"
	tooMuch = "the top level takes more than %d MiB of memory; it is run once, when the Worker is built: do that in fetch()"
)

// sourceErrors are the bundler's messages as one error. Files are named relative to
// dir.
func sourceErrors(dir string, messages []api.Message) error {
	var all []error
	for _, m := range messages {
		all = append(all, sourceError(dir, m))
	}
	return errors.Join(all...)
}

// sourceError is one of the bundler's messages.
func sourceError(dir string, m api.Message) *SourceError {
	e := &SourceError{Text: m.Text}
	if advice, known := advise(m.Text); known {
		e.Text += advice
	} else {
		for _, n := range m.Notes {
			if n.Location == nil { // others are of another place: "the original is here:"
				e.Text += "; " + n.Text
			}
		}
	}
	at := m.Location
	if at == nil || at.Namespace == ours {
		return e
	}
	e.File, e.Line, e.Column = relative(dir, at.File), at.Line, at.Column+1
	e.Snippet = snippet(at.Line, at.LineText, at.Column, at.Length)
	return e
}

// advise says what to do about what the bundler says, where its own notes are about
// options that nobody has here.
func advise(text string) (advice string, known bool) {
	path, missing := strings.CutPrefix(text, "Could not resolve ")
	switch {
	case missing && strings.Contains(path, "\": "): // our own words
		return "", true
	case missing && (strings.HasPrefix(path, "\".") || strings.HasPrefix(path, "\"/")):
		return ": there is no such file", true
	case missing:
		return fmt.Sprintf(": no such package is installed; npm install %s", strings.Trim(path, `"`)), true
	case strings.HasPrefix(text, "No loader is configured"):
		return "; a Worker imports .ts, .js and .json, " + strings.Join(textExtensions, ", ") + " as text, and .bin as an ArrayBuffer", true
	}
	return "", false
}

// adviseGlobal says what to use in place of a global that other platforms have, if that
// is what was not found.
func adviseGlobal(message string) string {
	name, missing := strings.CutPrefix(message, "ReferenceError: ")
	name, undefined := strings.CutSuffix(name, " is not defined")
	if !missing || !undefined {
		return ""
	}
	text, err := shim.ReadFile("shim/core/lacking.json")
	var lacking map[string]string
	if err != nil || json.Unmarshal(text, &lacking) != nil || lacking[name] == "" {
		return ""
	}
	return ", and is not there on this edge: " + lacking[name]
}

// relative is the path as people say it who are in dir.
func relative(dir, file string) string {
	if !filepath.IsAbs(file) {
		return filepath.ToSlash(file)
	}
	if r, err := filepath.Rel(dir, file); err == nil && !strings.HasPrefix(r, "..") {
		return filepath.ToSlash(r)
	}
	return file
}

// snippet is a line of the source with a mark below n bytes from column on.
func snippet(line int, text string, column, n int) string {
	number := fmt.Sprintf("%5d | ", line)
	if column > len(text) {
		column = len(text)
	}
	// Tabs stay tabs, so that the mark stands below whatever their width is.
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, text[:column])
	return number + text + "\n" + strings.Repeat(" ", len(number)-2) + "| " + pad + strings.Repeat("^", max(1, min(n, len(text)-column)))
}

// explain makes why a script could not be evaluated, which may compute for so long, an
// error of the source.
func (s *bundled) explain(err error, compute time.Duration) error {
	var thrown *link.ScriptError
	switch {
	case errors.Is(err, errRuntime):
		return err
	case errors.Is(err, plugins.ErrEvaluateTime):
		return &SourceError{File: filepath.Base(s.file), Text: fmt.Sprintf(tooLong, compute)}
	case !errors.As(err, &thrown):
		return fmt.Errorf("%s: %w", filepath.Base(s.file), err)
	}
	switch text := thrown.Message; {
	case text == link.Interrupted:
		thrown.Message = fmt.Sprintf(tooLong, compute)
	case thrown.Starved && (text == link.OutOfMemory || text == link.NoError):
		thrown.Message = fmt.Sprintf(tooMuch, buildMemory>>20)
	case text == "null", text == "undefined":
		thrown.Message = "the top level throws " + text
	case text == "":
		thrown.Message = "the top level throws what cannot be shown as a text"
	}
	e := s.positions.sourceError(filepath.Dir(s.file), thrown)
	if e.Line == 0 {
		e.File = filepath.Base(s.file)
		if strings.Contains(thrown.Message, "has no fetch()") {
			return s.noHandler("the Worker's default export has no function fetch()")
		}
	}
	return e
}
