package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"edge/abi"
	"edge/plugins/meter"
)

// Report is what a module is, and whether the edge would take it.
type Report struct {
	Path   string `json:"path"`
	Digest string `json:"digest"` // SHA-256, hexadecimal
	Size   int    `json:"size"`   // bytes
	// Imports are "module.name", Exports the functions' names, both sorted.
	Imports []string `json:"imports"`
	Exports []string `json:"exports"`
	// Metered is its size in bytes with the checks that let the edge stop it.
	Metered int `json:"metered,omitempty"`
	// Needs are the imports that do nothing without a grant. With Optional they may
	// lack it: calls are DENIED then, and the module is not refused.
	Needs    []NeededGrant `json:"needs,omitempty"`
	Optional bool          `json:"optional,omitempty"`
	// Made is what made the module, and Source of what, as it says itself.
	Made   string `json:"made,omitempty"`
	Source string `json:"source,omitempty"`
	// Async is true for a module that holds many open requests at once; Events for
	// one that is told what happens to sandboxes.
	Async  bool `json:"async"`
	Events bool `json:"events"`
	// Memory is what the module has of it at first and at most, in bytes; without
	// Most it is bounded by the edge alone.
	Memory struct {
		Initial uint64 `json:"initial"`
		Most    uint64 `json:"most,omitempty"`
	} `json:"memory"`
	// InitFuel is what edge_init and what comes before it executed, with
	// edge_selftest, in units of the meter.
	InitFuel uint64 `json:"initFuel,omitempty"`
	// Reset is why an instance with isolation reset would be discarded after that
	// request instead of being reset; empty if it would be reset.
	Reset string `json:"reset,omitempty"`
	// Probe is what it decided of GET / with sandboxes that answer everything with
	// nothing. Nil: it was not asked.
	Probe *abi.Explanation `json:"probe,omitempty"`
	// Refusal is why the edge would not load it, in one line; empty if it would.
	Refusal string `json:"refusal,omitempty"`
	// Output is what the module logged and printed meanwhile, such as the message
	// of a panic; at most maxOutput lines.
	Output []string `json:"output,omitempty"`
}

// maxOutput bounds the lines of a Report's Output.
const maxOutput = 40

// Check does with a module all that Load does before it serves: compiling it,
// checking imports and exports, running edge_init and edge_selftest, without
// sandboxes or configuration. Then it has it decide one request. The error is about
// the file or ctx; a module that would be refused is told in the report.
func Check(ctx context.Context, path string) (Report, error) {
	output := &outputLog{most: maxOutput}
	r, err := NewRegistry(Config{Log: slog.New(failures{output}), GuestLog: slog.New(output)})
	if err != nil {
		return Report{Path: path}, err
	}
	report, err := r.check(ctx, Spec{Name: "plugin", Source: path, Isolation: IsolationReset, ungranted: true})
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
	r.stage = newStage(trialTime)
	g := newGeneration(r, spec.withDefaults(), 1, module)
	defer g.close()
	report.Digest, report.Size = g.digest, g.size
	if metered, err := meter.Rewrite(module.Bytes, meterOptions()); err == nil {
		report.Metered = len(metered)
	}
	err = g.build(ctx, module.Bytes)
	if g.program != nil {
		g.describe(&report)
	}
	if errors.Is(err, ErrRefused) {
		report.Refusal, err = err.Error(), nil
	} else if err == nil {
		made := g.pool.last()
		report.InitFuel = made.bornFuel
		report.Probe = g.probe(ctx)
		report.Reset = g.unreset(made)
	}
	return report, err
}

// probe has the module decide a request with services that answer nothing.
func (g *generation) probe(ctx context.Context) *abi.Explanation {
	var e abi.Explanation
	req := &abi.Request{
		ID: "probe", Method: "GET", Scheme: "http", Host: "localhost", Path: "/", RemoteAddr: "192.0.2.1:1024",
		Headers: []abi.Header{{Name: "Host", Value: "localhost"}},
	}
	g.acquire()
	d, _ := g.decide(WithExplanation(ctx, &e), time.Now(), req, &Services{Operations: nothing{}}) // the verdict has the error
	if r, ok := d.(*abi.Respond); ok && r.Stream != nil {
		_ = r.Stream.Close()
	}
	return &e
}

// last is the spare instance that was used last, or nil.
func (p *pool) last() *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.spare) == 0 {
		return nil
	}
	return p.spare[len(p.spare)-1]
}

// unreset is why the instance was not reset after its request, or empty.
func (g *generation) unreset(used *instance) string {
	switch {
	case !g.resets() || g.pool.last() == used:
		return ""
	case used.mem.Size() > used.bornSize:
		return fmt.Sprintf("its memory grew from %d to %d bytes", used.bornSize, used.mem.Size())
	}
	return "it failed, or changed a table or a segment"
}

// nothing is sandboxes that answer each operation with the zero value of its answer.
type nothing struct{}

// Operate answers one.
func (nothing) Operate(_ context.Context, name string, _ json.RawMessage) (json.RawMessage, error) {
	row := abi.Lookup(name)
	if row == nil {
		return nil, abi.Errorf(abi.CodeUnknownOperation, "there is no operation %.60q", name)
	}
	return json.Marshal(row.NewResponse())
}

// describe fills in what the compiled module says of itself.
func (g *generation) describe(report *Report) {
	for _, def := range imported(g.program.code) {
		module, name, _ := def.Import()
		report.Imports = append(report.Imports, module+"."+name)
	}
	exports := g.program.code.ExportedFunctions()
	for name := range exports {
		if !strings.HasPrefix(name, meterModule) {
			report.Exports = append(report.Exports, name)
		}
	}
	slices.Sort(report.Imports)
	report.Imports = slices.Compact(report.Imports)
	slices.Sort(report.Exports)
	report.Needs, report.Optional = NeededGrants(report.Imports), g.manifest.Optional
	report.Made, report.Source = g.manifest.Made, g.manifest.Source
	_, report.Async = exports["edge_complete"]
	_, report.Events = exports["edge_event"]
	if memory := g.program.code.ExportedMemories()["memory"]; memory != nil {
		report.Memory.Initial = uint64(memory.Min()) * wasmPage
		if g.contents != nil {
			report.Memory.Initial = uint64(g.contents.pages) * wasmPage
		}
		if most, declared := memory.Max(); declared {
			report.Memory.Most = uint64(most) * wasmPage
		}
	}
}
