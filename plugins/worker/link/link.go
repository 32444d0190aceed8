// Package link turns a JavaScript engine for WASI into a module that speaks the edge's
// ABI: the engine's imports are replaced, and what JavaScript reaches of the edge is
// appended as functions of WebAssembly.
package link

import "slices"

// exportedOfBuild are what the module exports only while it is built.
var exportedOfBuild = []string{"build_begin", "build_eval", "build_keep", "build_settle", "malloc", "free"}

// exportedForEver are what SPEC.md wants of an asynchronous module.
var exportedForEver = []string{"edge1", "edge_init", "edge_request", "edge_complete", "edge_cancel"}

// Link makes a module that speaks edge1 of the engine.
func Link(engine []byte) (*Module, error) {
	table := functions()
	b, err := parse(engine)
	if err != nil {
		return nil, err
	}
	g := &glue{binary: b, index: map[string]uint32{}}
	old := b.imports
	b.imports = nil
	var removed []int
	for i, imp := range old {
		if imp.module == "env" {
			removed = append(removed, i)
			continue
		}
		g.index[imp.module+"."+imp.name] = uint32(len(b.imports))
		b.imports = append(b.imports, imp)
	}
	g.edgeImports(table)
	own := uint32(len(b.functions)) // before those that are appended
	for _, i := range removed {
		g.index["env."+old[i].name] = uint32(len(b.imports) + len(b.functions))
		b.functions = append(b.functions, function{kind: old[i].kind, body: []byte{0, opEnd}})
	}
	kept := b.functions
	b.functions = b.functions[:own]
	err = b.renumber(func(f uint32) uint32 {
		switch {
		case f >= uint32(len(old)):
			return f - uint32(len(old)) + uint32(len(b.imports))
		default:
			return g.index[old[f].module+"."+old[f].name]
		}
	})
	b.functions = kept
	if err != nil {
		return nil, err
	}
	for _, name := range engineFunctions {
		if g.index[name], err = b.exported(name); err != nil {
			return nil, err
		}
	}
	g.helpers()
	var stubs []uint32
	for _, f := range table {
		g.stub(f)
		stubs = append(stubs, g.index["js."+f.name])
	}
	first := b.table
	b.table += uint32(len(stubs))
	b.offsets, b.elements = append(b.offsets, first), append(b.elements, stubs)
	g.replaced()
	g.entries()
	g.building(table, first)
	b.exports = slices.DeleteFunc(b.exports, func(e export) bool { return e.name != "memory" && e.name != "__stack_pointer" })
	for _, name := range slices.Concat(exportedForEver, exportedOfBuild) {
		b.exports = append(b.exports, export{name, 0, g.index[name]})
	}
	if g.err != nil {
		return nil, g.err
	}
	return &Module{b}, nil
}
