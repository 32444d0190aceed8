package link

// arguments defines how JavaScript's values become pointers and lengths. All of them
// answer 0 (or -1, where 0 is an answer) after they threw.
func (g *glue) arguments() {
	// number(value, cell): writes an i32 to the cell; 1.
	g.function("number", "Ii", "i", "",
		op(0x4e, g.call("JS_ToInt32", ctx(), get(1), get(0)), zero())) // >= 0
	g.wellFormed()
	g.views()
	g.room()
	g.narrow()
	g.pack()
}

// wellFormed has lone surrogates, which JS_ToCStringLen2 writes as it does others
// (ED A0 80 to ED BF BF), become U+FFFD. What it returns is the string itself only if
// that is ASCII, so that nothing is written to a string.
func (g *glue) wellFormed() {
	g.function("wellFormed", "ii", "", "i", // ptr, len; end
		set(2, add(get(0), get(1))),
		forever(
			brIf(1, eqz(tee(0, g.call("memchr", get(0), i32(0xed), sub(get(2), get(0)))))),
			brIf(1, leU(sub(get(2), get(0)), i32(2))),
			when(geU(load8(1, get(0)), i32(0xa0)),
				store8(0, get(0), i32(0xef)), store8(1, get(0), i32(0xbf)), store8(2, get(0), i32(0xbd))),
			bump(0, 3)))
}

// views defines view(value, cell), which writes where the bytes of a string, buffer or
// nothing are, and what release is to free, and answers 1; and bytes(value, cell) for
// what is no string. Memory that user code can give back in between does not matter:
// no user code runs before the function is called.
func (g *glue) views() {
	fill := func(ptr, n code) code { return do(store(0, get(1), ptr), store(4, get(1), n)) }
	g.declare("buffer", "Iii", "i")
	g.declare("slice", "Ii", "i")
	g.declare("bytes", "Ii", "i")
	g.declare("view", "Ii", "i")
	length := add(get(1), i32(4))
	// buffer(arrayBuffer, cell, offset): from offset on. The cell's length is what is
	// wanted, -1 for all; what a buffer does not have is cut off.
	g.define("buffer", "iii", // ptr, wanted, size
		set(4, load(4, get(1))),
		set(3, g.call("JS_GetArrayBuffer", ctx(), length, get(0))),
		when(and(eqz(get(3)), g.call("JS_HasException", ctx())), ret(zero())),
		set(5, load(4, get(1))),
		when(gtU(get(2), get(5)), set(2, get(5))),
		set(5, sub(get(5), get(2))),
		when(gtU(get(4), get(5)), set(4, get(5))),
		fill(add(get(3), get(2)), get(4)), i32(1))
	// slice(view, cell): of a typed array, or of a DataView, whose getters were kept
	// when no user code had run yet. A view that is as long as its buffer may say that
	// it is longer, after that has shrunk.
	ask := func(i uint32) code {
		return g.call("JS_Call", ctx(), load64(viewGetters+8*i, zero()), get(0), zero(), zero())
	}
	of := func(offset code) code {
		return do(set(4, g.call("buffer", get(2), get(1), offset)), g.call("JS_FreeValue", ctx(), get(2)), ret(get(4)))
	}
	g.define("slice", "IIi", // buffer, number
		when(g.call("JS_IsDataView", get(0)),
			when(threw(tee(3, ask(1))), ret(zero())), // byteOffset throws if it is detached or shrunk
			drop(g.call("number", get(3), i32(cellScratch))),
			when(threw(tee(3, ask(2))), ret(zero())),
			drop(g.call("number", get(3), length)),
			when(threw(tee(2, ask(0))), ret(zero())),
			of(load(cellScratch, zero()))),
		when(threw(tee(2, g.call("JS_GetTypedArrayBuffer", ctx(), get(0), i32(cellScratch), length, i32(cellScratch+4)))), ret(zero())),
		of(load(cellScratch, zero())), zero())
	g.define("bytes", "i",
		store(8, get(1), zero()),
		when(eq(high(get(0)), i32(tagObject)),
			set(2, op(0x4e, g.call("JS_GetTypedArrayType", get(0)), zero())), // >= 0
			when(or(get(2), g.call("JS_IsDataView", get(0))), ret(g.call("slice", get(0), get(1)))),
			when(g.call("JS_IsArrayBuffer", get(0)),
				store(4, get(1), i32(0xffffffff)),
				ret(g.call("buffer", get(0), get(1), zero())))),
		drop(g.typeError("not an ArrayBuffer or a view of one")), zero())
	g.define("view", "ii", // tag, ptr
		set(2, high(get(0))),
		when(eq(get(2), i32(tagObject)), ret(g.call("bytes", get(0), get(1)))),
		store(8, get(1), zero()),
		when(or(eq(get(2), i32(tagNull)), eq(get(2), i32(tagUndefined))), fill(zero(), zero()), ret(i32(1))),
		when(eqz(tee(3, g.call("JS_ToCStringLen2", ctx(), length, get(0), zero()))), ret(zero())),
		store(0, get(1), get(3)), store(8, get(1), get(3)),
		g.call("wellFormed", get(3), load(4, get(1))), i32(1))
	g.function("release", "i", "", "",
		when(load(8, get(0)), g.call("JS_FreeCString", ctx(), load(8, get(0)))))
}

// room defines room(n), the address of n bytes until spare().
func (g *glue) room() {
	g.function("room", "i", "i", "",
		store(cellSpare, zero(), zero()),
		store(cellPacked, zero(), i32(packed)),
		when(gtU(get(0), i32(packedSize)),
			when(eqz(tee(0, g.call("malloc", get(0)))), drop(g.outOfMemory()), ret(zero())),
			store(cellPacked, zero(), get(0)),
			store(cellSpare, zero(), get(0))),
		load(cellPacked, zero()))
	g.function("spare", "", "", "",
		when(load(cellSpare, zero()), g.call("free", load(cellSpare, zero())), store(cellSpare, zero(), zero())))
}

const notLatin1 = "a header has a character above U+00FF"

// latin1 is one character of UTF-8 in a byte: it moves the local at beyond it, leaves
// it in c, and throws for one that Latin-1 has not.
func (g *glue) latin1(at, c uint32) code {
	return do(
		set(c, load8(0, get(at))), bump(at, 1),
		when(geU(get(c), i32(0x80)),
			when(ne(and(get(c), i32(0xfe)), i32(0xc2)), drop(g.typeError(notLatin1)), g.call("spare"), ret(i32(0xffffffff))),
			set(c, or(shl(and(get(c), i32(3)), i32(6)), and(load8(0, get(at)), i32(0x3f)))),
			bump(at, 1)))
}

// narrow defines narrow(ptr, len): the length of UTF-8 as Latin-1, which is at
// cellPacked; -1.
func (g *glue) narrow() {
	g.function("narrow", "ii", "i", "iii", // end, to, c
		when(eqz(tee(3, g.call("room", get(1)))), ret(i32(0xffffffff))),
		set(2, add(get(0), get(1))),
		forever(
			brIf(1, geU(get(0), get(2))),
			g.latin1(0, 4),
			store8(0, get(3), get(4)),
			bump(3, 1)),
		sub(get(3), load(cellPacked, zero())))
}

// pack defines pack(ptr, len, list): the length of a header block, or value list, of
// strings that a NUL ends, which is at cellPacked; -1.
func (g *glue) pack() {
	g.function("pack", "iii", "i", "iiiii", // 3 end, 4 to, 5 count, 6 where a length is, 7 c
		when(eqz(tee(4, g.call("room", add(mul(get(1), i32(5)), i32(8))))), ret(i32(0xffffffff))),
		set(3, add(get(0), get(1))),
		when(eqz(get(2)), bump(4, 4)),
		forever(
			brIf(1, geU(get(0), get(3))),
			set(6, get(4)), bump(4, 4),
			forever(
				brIf(1, geU(get(0), get(3))),
				brIf(1, eqz(load8(0, get(0)))),
				either(get(2), do(set(7, load8(0, get(0))), bump(0, 1)), g.latin1(0, 7)),
				store8(0, get(4), get(7)),
				bump(4, 1)),
			bump(0, 1),
			store(0, get(6), sub(sub(get(4), get(6)), i32(4))),
			bump(5, 1)),
		when(eqz(get(2)),
			when(and(get(5), i32(1)), drop(g.typeError("a header without a value")), g.call("spare"), ret(i32(0xffffffff))),
			store(0, load(cellPacked, zero()), shrU(get(5), i32(1)))),
		sub(get(4), load(cellPacked, zero())))
}
