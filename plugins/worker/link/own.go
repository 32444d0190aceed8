package link

// own is the body of a row whose result only it has; nil for the others.
func (g *glue) own(f foreign, args, release code) code {
	first := get(localFirst)
	switch f.result {
	case 'T', 'U', 'J', 'N', 'M':
		return g.ofCall(f)
	case 'R': // n bytes of randomness
		return do(
			when(eqz(g.call("room", first)), ret(i64(exception))),
			set(localResult, g.call("edge1.random", load(cellPacked, zero()), first)),
			when(high(get(localResult)), g.call("spare")), g.refused(),
			set(localResult, g.call("make", load(cellPacked, zero()), first, zero())),
			g.call("spare"), get(localResult))
	case 'C': // nanoseconds at scratch
		return do(set(localResult, g.call("edge1.clock", first, i32(cellScratch))), g.refused(),
			g.call("JS_NewNumber", ctx(), op(0xa3, op(0xba, load64(cellScratch, zero())), float64Million()))) // f64.div, f64.convert_i64_u
	case 'S', 'O':
		text := zero()
		if f.result == 'S' {
			text = i32(1)
		}
		return do(set(localResult, g.call("make", args, text)), release, get(localResult))
	case 'L': // 1 if there was no memory for something in this entry, else 0
		return extendU(load(cellStarved, zero()))
	case 'V':
		return do(set(localResult, extendU(g.call("check", args))), release, get(localResult))
	case 'W': // latin takes where the bytes end
		ptr := load(0, i32(cellViews))
		return do(set(localResult, g.call("latin", ptr, add(ptr, load(4, i32(cellViews))))), release, get(localResult))
	case 'P':
		return do(set(localResult, extendU(g.call("scan", args))), release, get(localResult))
	case 'Q': // null if the query does not have it, undefined if that is not known
		return do(set(localErrno, g.call("query", args)),
			set(localResult, i64(uint64(tagUndefined)<<32)),
			when(eqz(get(localErrno)), set(localResult, i64(uint64(tagNull)<<32))),
			when(eq(get(localErrno), i32(1)), set(localResult, g.call("make", load(cellScratch, zero()), load(cellScratch+4, zero()), i32(1)))),
			release, get(localResult))
	case 'G': // undefined if there is something to be escaped
		return do(
			when(eqz(tee(localErrno, g.call("quoted", args))), release, ret(i64(undefined))),
			release,
			when(eq(get(localErrno), i32(0xffffffff)), ret(i64(exception))),
			set(localResult, g.call("make", load(cellPacked, zero()), get(localErrno), i32(1))),
			g.call("spare"), get(localResult))
	case 'A':
		return do(set(localResult, g.call("make", args, zero())), release, get(localResult))
	}
	return nil
}

// ofCall reads the result of a call: all of it from the offset on.
func (g *glue) ofCall(f foreign) code {
	offset := zero()
	if len(f.args) == 3 {
		offset = get(localFirst + 2)
	}
	where, size := load(cellRead, zero()), load(cellReadSize, zero())
	var value code
	switch f.result {
	case 'T':
		value = g.call("make", where, size, i32(1))
	case 'U':
		value = g.call("make", where, size, zero())
	case 'J':
		value = do(when(eqz(size), g.call("done"), ret(i64(undefined))),
			g.call("JS_ParseJSON", ctx(), where, size, g.text("result")))
	case 'N':
		value = do(when(ltU(size, i32(4)), g.call("done"), ret(zero64())), g.call("toNumber", load(0, where)))
	case 'M': // an opcode, and the payload: 1 is text
		value = do(when(eqz(size), g.call("done"), ret(i64(undefined))),
			g.call("make", add(where, i32(1)), sub(size, i32(1)), eq(load8(0, where), i32(1))))
	}
	return do(
		when(tee(localErrno, g.call("read", get(localFirst), get(localFirst+1), offset)),
			when(eq(get(localErrno), i32(0xffffffff)), ret(i64(exception))),
			ret(extendU(sub(zero(), get(localErrno))))),
		set(localResult, value),
		g.call("done"),
		get(localResult))
}

func zero64() code { return i64(0) }

// float64Million is 1e6.
func float64Million() code { return code{0x44, 0, 0, 0, 0, 0x80, 0x84, 0x2e, 0x41} }

// fetchHead defines fetched(from, end): "status NUL url NUL name NUL value ..." of
// what fetch_head writes: status, length of the URL, URL, header block.
func (g *glue) fetchHead() {
	digit := func(divisor uint32, at uint32) code {
		return store8(at, get(2), add(i32('0'), remU(divU(load(0, get(0)), i32(divisor)), i32(10))))
	}
	g.function("fetched", "ii", "I", "iiiIi", // 2 where the UTF-8 is, 3 what to free, 4 to, 6 end of the bytes
		when(eqz(tee(2, tee(3, g.call("malloc", add(mul(sub(get(1), get(0)), i32(2)), i32(8)))))), ret(g.outOfMemory())),
		digit(100, 0), digit(10, 1), digit(1, 2), store8(3, get(2), zero()),
		set(4, add(get(2), i32(4))),
		set(6, load(4, get(0))),
		copyBytes(get(4), add(get(0), i32(8)), get(6)),
		set(4, add(get(4), get(6))),
		set(0, add(add(get(0), i32(12)), get(6))),
		forever(
			brIf(1, leU(get(1), get(0))),
			store8(0, get(4), zero()), bump(4, 1),
			set(6, add(add(get(0), i32(4)), load(0, get(0)))),
			set(4, g.call("expand", add(get(0), i32(4)), get(6), get(4))),
			set(0, get(6))),
		set(5, g.call("JS_NewStringLen", ctx(), get(2), sub(get(4), get(2)))),
		g.call("free", get(3)),
		get(5))
}
