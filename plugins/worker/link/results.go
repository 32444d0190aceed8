package link

// results defines how what the edge answers becomes values of JavaScript.
func (g *glue) results() {
	// toNumber(u32): a JavaScript number.
	g.function("toNumber", "i", "I", "",
		when(ltS(get(0), zero()), ret(g.call("JS_NewNumber", ctx(), op(0xb8, get(0))))), // f64.convert_i32_u
		extendU(get(0)))
	// make(ptr, len, text): a string or Uint8Array.
	g.function("make", "iii", "I", "",
		when(get(2), ret(g.call("JS_NewStringLen", ctx(), get(0), get(1)))),
		g.call("JS_NewUint8ArrayCopy", ctx(), get(0), get(1)))
	g.fetchKept()
	// take(req, len, text): what a function wrote, or what the edge kept of it.
	g.function("take", "iii", "I", "I",
		when(eqz(g.call("kept", get(0), get(1))), ret(g.outOfMemory())),
		set(3, g.call("make", load(cellRead, zero()), get(1), get(2))),
		g.call("done"),
		get(3))
	g.readAll()
	g.expand()
	g.widen()
	g.check()
}

// fetchKept defines kept(req, len): it has cellRead show the whole of what a function
// wrote, of which output has nothing if it did not fit. 0 is out of memory. done gives
// the room for it back.
func (g *glue) fetchKept() {
	g.function("kept", "ii", "i", "",
		store(cellRead, zero(), i32(output)),
		store(cellReadSpare, zero(), zero()),
		store(cellReadSize, zero(), get(1)),
		when(leU(get(1), i32(outputSize)), ret(i32(1))),
		store(cellRead, zero(), g.call("malloc", get(1))),
		when(eqz(load(cellRead, zero())), ret(zero())),
		store(cellReadSpare, zero(), load(cellRead, zero())),
		drop(g.call("edge1.result_read", get(0), zero(), zero(), load(cellRead, zero()), get(1))),
		i32(1))
	g.function("done", "", "", "",
		when(load(cellReadSpare, zero()), g.call("free", load(cellReadSpare, zero())), store(cellReadSpare, zero(), zero())))
}

// readAll defines read(req, call, offset): 0 once cellRead shows all of the result of
// a call from offset on, with a NUL behind it; an errno; -1 after it threw.
func (g *glue) readAll() {
	failed := func(result code) code { return do(g.call("done"), ret(result)) }
	size := load(cellReadSize, zero())
	g.function("read", "iii", "i", "iiIi", // 3 where, 4 room, 5 answer, 6 free
		store(cellReadSpare, zero(), zero()), store(cellReadSize, zero(), zero()),
		set(3, i32(output)), set(4, i32(outputSize-1)),
		forever(
			set(5, g.call("edge1.result_read", get(0), get(1), add(get(2), size), add(get(3), size), tee(6, sub(get(4), size)))),
			when(high(get(5)), failed(high(get(5)))),
			store(cellReadSize, zero(), add(size, wrap(get(5)))),
			brIf(1, ltU(wrap(get(5)), get(6))),
			set(4, mul(get(4), i32(4))),
			set(6, g.call("realloc", load(cellReadSpare, zero()), add(get(4), i32(1)))),
			when(eqz(get(6)), drop(g.outOfMemory()), failed(i32(0xffffffff))),
			when(eqz(load(cellReadSpare, zero())), copyBytes(get(6), get(3), size)),
			store(cellReadSpare, zero(), tee(3, get(6)))),
		store(cellRead, zero(), get(3)),
		store8(0, add(get(3), size), zero()),
		zero())
}

// expand defines expand(from, end, to): writes Latin-1 as UTF-8 and returns its end.
func (g *glue) expand() {
	g.function("expand", "iii", "i", "i",
		forever(
			brIf(1, geU(get(0), get(1))),
			when(leU(i32(8), sub(get(1), get(0))),
				when(eqz64(and64(load64(0, get(0)), i64(0x8080808080808080))),
					store64(0, get(2), load64(0, get(0))),
					bump(0, 8), bump(2, 8), br(2))),
			set(3, load8(0, get(0))), bump(0, 1),
			when(ltU(get(3), i32(0x80)), store8(0, get(2), get(3)), bump(2, 1), br(1)),
			store8(0, get(2), or(i32(0xc0), shrU(get(3), i32(6)))),
			store8(1, get(2), or(i32(0x80), and(get(3), i32(0x3f)))),
			bump(2, 2)),
		get(2))
}

// widen defines widen(from, end): a string of a list of len, bytes, in which a NUL is
// between the bytes of one and the next; and latin(from, end), of bytes alone.
func (g *glue) widen() {
	begin := do( // 2 where the UTF-8 is, 3 what to free
		set(2, i32(expanded)),
		when(gtU(sub(get(1), get(0)), i32(outputSize)),
			when(eqz(tee(2, tee(3, g.call("malloc", mul(sub(get(1), get(0)), i32(2)))))), ret(g.outOfMemory()))))
	end := func(to uint32) code {
		return do(
			set(5, g.call("JS_NewStringLen", ctx(), get(2), sub(get(to), get(2)))),
			when(get(3), g.call("free", get(3))),
			get(5))
	}
	g.function("latin", "ii", "I", "iiiI",
		begin, set(4, g.call("expand", get(0), get(1), get(2))), end(4))
	g.function("widen", "ii", "I", "iiiIi", // 4 to, 6 end of the bytes
		begin, set(4, get(2)),
		forever(
			brIf(1, leU(get(1), get(0))),
			set(6, add(add(get(0), i32(4)), load(0, get(0)))),
			set(4, g.call("expand", add(get(0), i32(4)), get(6), get(4))),
			set(0, get(6)),
			brIf(1, leU(get(1), get(0))),
			store8(0, get(4), zero()), bump(4, 1)),
		end(4))
}

// check defines check(ptr, len): how many bytes at the beginning are whole characters
// of UTF-8 (Unicode 15, table 3-7).
func (g *glue) check() {
	between := func(low, high uint32) code {
		return leU(sub(get(4), i32(low)), i32(high-low))
	}
	g.function("check", "ii", "i", "iiiiii", // 2 at, 3 end, 4 byte, 5 how many follow, 6 7 bounds of the first of these
		set(2, get(0)), set(3, add(get(0), get(1))),
		forever(
			brIf(1, geU(get(2), get(3))),
			when(leU(i32(8), sub(get(3), get(2))),
				when(eqz64(and64(load64(0, get(2)), i64(0x8080808080808080))), bump(2, 8), br(2))),
			set(4, load8(0, get(2))),
			when(ltU(get(4), i32(0x80)), bump(2, 1), br(1)),
			set(5, zero()), set(6, i32(0x80)), set(7, i32(0xbf)),
			when(between(0xc2, 0xdf), set(5, i32(1))),
			when(between(0xe0, 0xef), set(5, i32(2))),
			when(between(0xf0, 0xf4), set(5, i32(3))),
			when(eq(get(4), i32(0xe0)), set(6, i32(0xa0))),
			when(eq(get(4), i32(0xed)), set(7, i32(0x9f))),
			when(eq(get(4), i32(0xf0)), set(6, i32(0x90))),
			when(eq(get(4), i32(0xf4)), set(7, i32(0x8f))),
			brIf(1, or(eqz(get(5)), leU(sub(get(3), get(2)), get(5)))),
			set(4, load8(1, get(2))),
			brIf(1, or(ltU(get(4), get(6)), gtU(get(4), get(7)))),
			when(leU(i32(2), get(5)), brIf(2, ne(and(load8(2, get(2)), i32(0xc0)), i32(0x80)))),
			when(eq(get(5), i32(3)), brIf(2, ne(and(load8(3, get(2)), i32(0xc0)), i32(0x80)))),
			set(2, add(add(get(2), get(5)), i32(1)))),
		sub(get(2), get(0)))
}
