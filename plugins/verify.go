package plugins

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"edge/plugins/wasmbin"
)

const (
	hostModule = "edge1"
	wasiModule = "wasi_snapshot_preview1"
	marker     = "edge1"
)

var errNoMemory = errors.New(`it exports no memory called "memory"`)

// shape is what a module's exports say of it, and that it imports budget.
type shape struct{ async, hook, budgets bool }

// export is one row of SPEC.md's table of exports.
type export struct {
	name     string
	params   int // all i32
	result   bool
	required bool
}

func abiExports() []export {
	return []export{
		{"edge_init", 0, true, true},
		{"edge_request", 1, true, true},
		{"_initialize", 0, false, false},
		{"edge_selftest", 0, true, false},
		{"edge_complete", 3, false, false},
		{"edge_cancel", 1, false, false},
		{"edge_event", 1, true, false},
	}
}

// verifyFile tells apart what is no core module, or not all of one, by its frame
// (WebAssembly 1.0, sections 5.5.2 and 5.5.16; the Component Model has another
// version). What is in the sections is the compiler's to judge.
func verifyFile(module []byte) error {
	switch {
	case len(module) == 0:
		return errors.New("the file is empty")
	case !bytes.HasPrefix(module, []byte(wasmbin.Magic)):
		return errors.New("it is not a WebAssembly module")
	case bytes.HasPrefix(module[4:], []byte("\x0d\x00\x01\x00")):
		return errors.New("it is a WebAssembly component; a plugin is a core module")
	}
	r := wasmbin.NewReader(module[min(len(wasmbin.Header), len(module)):])
	for r.More() {
		r.Byte()
		r.Bytes(r.U32())
	}
	if r.Err() != nil {
		return fmt.Errorf("the file is cut short: it ends within a section, after %d bytes", len(module))
	}
	return nil
}

// verify checks what the module imports and exports before anything of it runs.
// The error is one line that names what is wrong.
func (g *generation) verify() error {
	exports := g.program.code.ExportedFunctions()
	for _, check := range []func() error{
		func() error { return verifyMarker(exports) },
		func() error {
			return verifyImports(imported(g.program.code), g.program.code.ImportedMemories(), g.reg.functions)
		},
		g.verifyGrants,
		func() error { return verifyExports(exports) },
		func() error {
			if g.program.code.ExportedMemories()["memory"] == nil {
				return errNoMemory
			}
			return nil
		},
	} {
		if err := check(); err != nil {
			return refusal(err)
		}
	}
	_, g.shape.async = exports["edge_complete"]
	_, g.shape.hook = exports["edge_event"]
	g.shape.budgets = slices.ContainsFunc(g.program.code.ImportedFunctions(), func(def api.FunctionDefinition) bool {
		module, name, _ := def.Import()
		return module == hostModule && name == "budget"
	})
	return nil
}

// verifyMarker checks the export that tells the ABI's major version.
func verifyMarker(exports map[string]api.FunctionDefinition) error {
	if def, ok := exports[marker]; ok {
		return wantSignature(marker, def, nil, nil)
	}
	for name := range exports {
		if version, ok := strings.CutPrefix(name, "edge"); ok {
			if n, err := strconv.ParseUint(version, 10, 16); err == nil {
				return fmt.Errorf("it wants ABI version %d; this edge speaks version 1", n)
			}
		}
	}
	return fmt.Errorf("it is not an edge plugin: it does not export %q", marker)
}

// verifyImports refuses every import that is not in SPEC.md, by name.
func verifyImports(functions []api.FunctionDefinition, memories []api.MemoryDefinition, known map[string]signature) error {
	var unknown []string
	for _, def := range functions {
		module, name, _ := def.Import()
		sig, ok := known[module+"."+name]
		if !ok {
			unknown = append(unknown, module+"."+name)
			continue
		}
		if err := wantSignature("import "+module+"."+name, def, sig.params, sig.results); err != nil {
			return err
		}
	}
	for _, def := range memories {
		module, name, _ := def.Import()
		unknown = append(unknown, "memory "+module+"."+name)
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	unknown = slices.Compact(unknown)
	more := ""
	if len(unknown) > 8 {
		more = fmt.Sprintf(" and %d more", len(unknown)-8)
		unknown = unknown[:8]
	}
	return fmt.Errorf("it imports what this edge does not have: %s%s", strings.Join(unknown, ", "), more)
}

// verifyExports checks the functions that the edge calls.
func verifyExports(exports map[string]api.FunctionDefinition) error {
	for _, want := range abiExports() {
		def, ok := exports[want.name]
		if !ok {
			if want.required {
				return fmt.Errorf("it does not export %q", want.name)
			}
			continue
		}
		var results []api.ValueType
		if want.result {
			results = i32s(1)
		}
		if err := wantSignature("export "+want.name, def, i32s(want.params), results); err != nil {
			return err
		}
	}
	return nil
}

func wantSignature(what string, def api.FunctionDefinition, params, results []api.ValueType) error {
	if slices.Equal(def.ParamTypes(), params) && slices.Equal(def.ResultTypes(), results) {
		return nil
	}
	return fmt.Errorf("%s has the signature %s, not %s", what,
		signature{def.ParamTypes(), def.ResultTypes()}, signature{params, results})
}

// signature is a function's type.
type signature struct{ params, results []api.ValueType }

func (s signature) String() string { return typeNames(s.params) + " -> " + typeNames(s.results) }

func typeNames(ts []api.ValueType) string {
	names := make([]string, len(ts))
	for i, t := range ts {
		names[i] = api.ValueTypeName(t)
	}
	return "(" + strings.Join(names, ", ") + ")"
}

func i32s(n int) []api.ValueType { return slices.Repeat([]api.ValueType{api.ValueTypeI32}, n) }
