// Package link turns a JavaScript engine for WASI into modules that speak the edge's
// ABI. The engine's imports are replaced, and what JavaScript reaches of the edge is
// appended as functions of WebAssembly, assembled here by hand.
//
//	Link      takes the engine apart and appends the functions
//	Building  is the module in which scripts are evaluated while a plugin is built
//	Compile   has a guest of it make bytecode of the runtime
//	Start     has another run that, and keeps its memory
//	Continue  has a third begin with that memory, and evaluate a Worker
//	Bake      makes a plugin that begins with the memory after that
//
// Who runs the guests is the caller's affair. The code of all plugins is the same:
// they differ in their data, the size of their memory, and a custom section.
package link

import (
	"fmt"
	"slices"

	"edge/plugins/wasmbin"
)

// exportedOfBuild are what the module exports only while it is built; so is free.
var exportedOfBuild = []string{"build_begin", "build_compile", "build_run", "build_eval", "build_keep", "build_settle", "malloc"}

// exportedForEver are what SPEC.md wants of an asynchronous module, section 1.
var exportedForEver = []string{"edge1", "edge_init", "edge_request", "edge_complete", "edge_cancel", "edge_event"}

// Link makes a module that speaks edge1 of the engine, which must be quickjs.wasm of
// the npm package quickjs-wasi: any other is refused, be it because it has other
// functions or because its memory is laid out otherwise.
func Link(engine []byte) (*Module, error) {
	b, err := parse(engine)
	if err != nil {
		return nil, err
	}
	if err := b.stackFirst(); err != nil {
		return nil, err
	}
	g, table := newGlue(b), functions()
	if err := g.graft(table); err != nil {
		return nil, err
	}
	g.arguments()
	g.results()
	g.fetchHead()
	g.urls()
	g.quoted()
	first := b.table // of what is added to it
	g.noJob = first + uint32(len(table))
	g.run()
	var stubs []uint32
	for _, f := range table {
		g.stub(f)
		stubs = append(stubs, g.index["js."+f.name])
	}
	stubs = append(stubs, g.index["noJob"])
	b.table += uint32(len(stubs))
	b.elements = append(b.elements, element{first, stubs})
	g.replaced()
	g.entries()
	g.building(table, first)
	cleaning := g.clean()
	if g.err != nil {
		return nil, g.err
	}
	b.data = append(b.data, g.starting...)
	return newModule(b, g.index, cleaning), nil
}

// graft exchanges the engine's imports: those of WASI stay, those of its own host
// become functions, which replaced defines, and those of the table are added. Every
// function has another index then, and some are called in place of the engine's own.
func (g *glue) graft(table []foreign) error {
	replaced, err := g.detoured()
	if err != nil {
		return err
	}
	old := g.imports
	g.imports = nil
	var removed []imported
	for _, imp := range old {
		if imp.module == "env" {
			removed = append(removed, imp)
			continue
		}
		g.index[imp.module+"."+imp.name] = uint32(len(g.imports))
		g.imports = append(g.imports, imp)
	}
	g.edgeImports(table)
	before, after := uint32(len(old)), uint32(len(g.imports))
	for i, imp := range removed {
		g.index["env."+imp.name] = after + uint32(len(g.functions)+i)
	}
	first := after + uint32(len(g.functions)+len(removed)) // of the detours
	err = g.renumber(func(f uint32) (uint32, bool) {
		if f < before {
			i, ok := g.index[old[f].module+"."+old[f].name]
			return i, ok
		}
		if i := slices.Index(replaced, f); i >= 0 {
			return first + uint32(i), true
		}
		return f - before + after, f-before < uint32(len(g.functions))
	})
	if err != nil {
		return err
	}
	for i, e := range g.exports { // which name the engine's own, not the detours
		if e.kind == 0 && e.index >= first {
			g.exports[i].index = replaced[e.index-first] - before + after
		}
	}
	for _, imp := range removed {
		g.functions = append(g.functions, function{kind: imp.kind, body: []byte{0, wasmbin.OpEnd}})
	}
	if err := g.engine(removed); err != nil {
		return err
	}
	return g.detour(first)
}

// engine finds the functions of the engine and looks at their types.
func (g *glue) engine(removed []imported) error {
	for _, f := range engineFunctions {
		i, err := g.exported(f.name)
		if err != nil {
			return err
		}
		if kind := g.functions[i-uint32(len(g.imports))].kind; kind != g.typeOf(f.params, f.results) {
			return malformed("its %s is of another type", f.name)
		}
		g.index[f.name] = i
	}
	for name, params := range map[string]string{
		"host_get_timezone_offset": "ii", "host_interrupt": "", "host_module_normalize": "ii", "host_module_load": "ii", "host_call": "iiiii",
	} {
		if !slices.Contains(removed, imported{"env", name, g.typeOf(params, "i")}) {
			return malformed("it does not import %s as it did", name)
		}
	}
	if !slices.Contains(removed, imported{"env", "host_promise_rejection", g.typeOf("iii", "")}) || len(removed) != 6 {
		return malformed("its imports are others")
	}
	return nil
}

// stackFirst looks whether the stack lies below the data, as the cells need it.
func (b *binary) stackFirst() error {
	r := wasmbin.NewReader(b.globals)
	if r.U32() != 1 || r.Byte() != wasmbin.TypeI32 || r.Byte() != 1 || r.ConstI32() != engineStack {
		return malformed("its stack does not end at %d", engineStack)
	}
	for _, d := range b.data {
		if at := active(wasmbin.NewReader(d)); at < engineStack {
			return malformed("data at %d", at)
		}
	}
	return nil
}

// exported returns the index of one of the module's own functions.
func (b *binary) exported(name string) (uint32, error) {
	for _, e := range b.exports {
		if e.name == name && e.kind == 0 && e.index >= uint32(len(b.imports)) {
			return e.index, nil
		}
	}
	return 0, fmt.Errorf("%w: it does not export %s", errModule, name)
}
