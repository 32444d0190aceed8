package plugins

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Report is what a module is, and whether the edge would take it.
type Report struct {
	Path   string `json:"path"`
	Digest string `json:"digest"` // SHA-256, hexadecimal
	Size   int    `json:"size"`   // bytes
	// Imports are "module.name", Exports the functions' names, both sorted.
	Imports []string `json:"imports"`
	Exports []string `json:"exports"`
	// Async is true for a module that holds many open requests at once.
	Async bool `json:"async"`
	// Refusal is why the edge would not load it, in one line; empty if it would.
	Refusal string `json:"refusal,omitempty"`
	// Output is what the module logged and printed meanwhile, such as the message
	// of a panic; at most maxOutput lines.
	Output []string `json:"output,omitempty"`
}

// maxOutput bounds the lines of a Report's Output.
const maxOutput = 40

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

// Check does with a module all that Load does before it serves: compiling it,
// checking imports and exports, running edge_init and edge_selftest, without
// sandboxes or configuration. The error is about the file or ctx; a module that
// would be refused is told in the report.
func Check(ctx context.Context, path string) (Report, error) {
	output := &outputLog{most: maxOutput}
	r, err := NewRegistry(Config{GuestLog: slog.New(output)})
	if err != nil {
		return Report{Path: path}, err
	}
	report, err := r.check(ctx, Spec{Name: path, Source: path, ungranted: true})
	report.Output = output.text()
	return report, err
}

// check makes the report with the registry's runtime settings.
func (r *Registry) check(ctx context.Context, spec Spec) (Report, error) {
	report := Report{Path: spec.Source}
	module, err := readModule(spec.Source)
	if err != nil {
		return report, err
	}
	g := newGeneration(r, spec.withDefaults(), 1, module.Bytes)
	defer g.close()
	report.Digest, report.Size = g.digest, g.size
	err = g.build(ctx, module.Bytes)
	if g.code != nil {
		g.describe(&report)
	}
	if errors.Is(err, ErrRefused) {
		report.Refusal, err = err.Error(), nil
	}
	return report, err
}

// describe fills in what the compiled module says of itself.
func (g *generation) describe(report *Report) {
	for _, def := range g.imported() {
		module, name, _ := def.Import()
		report.Imports = append(report.Imports, module+"."+name)
	}
	for name := range g.code.ExportedFunctions() {
		report.Exports = append(report.Exports, name)
	}
	slices.Sort(report.Imports)
	report.Imports = slices.Compact(report.Imports)
	slices.Sort(report.Exports)
	_, report.Async = g.code.ExportedFunctions()["edge_complete"]
}
