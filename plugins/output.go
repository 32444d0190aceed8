package plugins

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// outputLog is a slog handler that keeps what a module says.
type outputLog struct {
	most int // lines

	mu    sync.Mutex
	lines []string
}

// text returns what was said.
func (o *outputLog) text() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.lines)
}

// clear forgets what was said.
func (o *outputLog) clear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = nil
}

// failures is the log of an edge that keeps, among what a module says, why it
// failed.
type failures struct{ *outputLog }

// Enabled is true for what went wrong.
func (failures) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// WithAttrs leaves out what is the same on every line.
func (f failures) WithAttrs([]slog.Attr) slog.Handler { return f }

// Enabled is true for what an edge logs.
func (o *outputLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle keeps the record's text and its own attributes.
func (o *outputLog) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	line.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "stream" {
			line.WriteString(" " + a.String())
		}
		return true
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	for l := range strings.Lines(line.String()) {
		if len(o.lines) < o.most {
			o.lines = append(o.lines, strings.TrimRight(l, "\n"))
		}
	}
	return nil
}

// WithAttrs leaves out what is the same on every line: the module's name.
func (o *outputLog) WithAttrs([]slog.Attr) slog.Handler { return o }

// WithGroup is not used by what a module says.
func (o *outputLog) WithGroup(string) slog.Handler { return o }
