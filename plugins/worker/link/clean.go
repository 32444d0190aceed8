package link

import "slices"

// clean returns the functions as they are while a module is built: what the engine
// frees is zeroed first, so that it is not in the module. It adds two functions.
//
// The engine's allocator is dlmalloc: the four bytes before an allocation hold its
// chunk's size, whose lower three bits are flags, and four bytes of it are the next
// one's.
func (g *glue) clean() []function {
	before := g.functions
	defer func() { g.functions = before }()
	g.functions = slices.Clone(before)
	own := len(g.functions)
	usable := func(p code) code { return sub(and(load(0, sub(p, i32(4))), i32(0xfffffff8)), i32(4)) }
	g.function("clean.free", "i", "", "",
		when(get(0), fillBytes(get(0), zero(), usable(get(0)))),
		g.call("free", get(0)))
	g.function("clean.realloc", "ii", "i", "ii", // 2 new, 3 size
		when(eqz(get(0)), ret(g.call("malloc", get(1)))),
		when(leU(get(1), tee(3, usable(get(0)))), when(leU(shrU(get(3), i32(1)), get(1)), ret(get(0)))),
		when(eqz(tee(2, g.call("malloc", get(1)))), ret(zero())),
		when(gtU(get(3), get(1)), set(3, get(1))),
		copyBytes(get(2), get(0), get(3)),
		g.call("clean.free", get(0)),
		get(2))
	instead := map[uint32]uint32{g.index["free"]: g.index["clean.free"], g.index["realloc"]: g.index["clean.realloc"]}
	for i := range own {
		body, err := renumberBody(g.functions[i].body, func(f uint32) (uint32, bool) {
			if to, ok := instead[f]; ok {
				return to, true
			}
			return f, true
		})
		if err != nil {
			g.err = err
		}
		g.functions[i].body = body
	}
	return g.functions
}
