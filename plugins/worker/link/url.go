package link

// What url_scan looks for in each byte of a URL's path and query: bytes that the parser
// would write otherwise, and delimiters. Bytes from 0x80 on are strange, too.
const (
	urlStrange = iota
	urlPlain
	urlSlash
	urlMark
)

// urlBytes has one of these for each byte of ASCII.
func urlBytes() string {
	b := make([]byte, 0x80)
	for c := byte('!'); c <= '~'; c++ {
		b[c] = urlPlain
	}
	for _, c := range "\"#'<>\\^`{}" {
		b[c] = urlStrange
	}
	b['/'], b['?'] = urlSlash, urlMark
	return string(b)
}

// urls defines what cutting URLs needs of bytes: JavaScript looks at one as long as
// this looks at all of them.
func (g *glue) urls() {
	minus := func(n int32) code { return i32(uint32(-n)) }
	class := do(get(5), g.text(urlBytes()), code{0x6a}) // i32.add
	// scan(ptr, len, origin, origin's len): where the first question mark of a URL is, -1
	// without one; -2 if it does not begin with the origin and a slash, or if a parser
	// might write what follows in another way. A NUL is behind the text.
	g.function("scan", "iiii", "i", "iiiii", // 4 at, 5 byte, 6 mark, 7 class, 8 end
		set(6, minus(1)),
		set(8, add(get(0), get(1))), set(4, get(0)),
		when(leU(get(1), get(3)), ret(minus(2))),
		set(7, add(get(0), get(3))),
		forever(
			brIf(1, geU(get(4), get(7))),
			when(ne(load8(0, get(4)), load8(0, get(2))), ret(minus(2))),
			bump(4, 1), bump(2, 1)),
		when(ne(load8(0, get(4)), i32('/')), ret(minus(2))),
		forever(
			brIf(1, geU(get(4), get(8))),
			set(5, load8(0, get(4))),
			when(geU(get(5), i32(0x80)), ret(minus(2))),
			when(eqz(tee(7, load8(0, class))), ret(minus(2))),
			when(eq(get(7), i32(urlMark)),
				when(eq(get(6), minus(1)), set(6, sub(get(4), get(0))))),
			when(eq(get(7), i32(urlSlash)), // "/." and "/%2e" may be gone in the end
				set(5, load8(1, get(4))),
				when(eq(get(5), i32('.')), ret(minus(2))),
				when(eq(get(5), i32('%')), when(eq(load8(2, get(4)), i32('2')), ret(minus(2))))),
			bump(4, 1)),
		get(6))
	g.queryFind()
}

// queryFind defines query(ptr, len, name, name's len): 1 if the first two cells of
// scratch show the value of a name in a query, 0 if the query has no such name; -1 if
// that needs decoding.
func (g *glue) queryFind() {
	unsure := ret(i32(0xffffffff))
	is := func(at code, a, b byte) code {
		return or(eq(tee(6, load8(0, at)), i32(uint32(a))), eq(get(6), i32(uint32(b))))
	}
	look := func(from, end code, a, b byte) code {
		return do(set(5, from), forever(brIf(1, geU(get(5), end)), when(is(get(5), a, b), unsure), bump(5, 1)))
	}
	g.function("query", "iiii", "i", "iii", // 4 end, 5 i, 6 byte
		when(eqz(get(3)), unsure),
		set(4, add(get(0), get(1))),
		look(get(0), get(4), '%', '+'),
		look(get(2), add(get(2), get(3)), '=', '&'),
		forever( // 0 is where a pair begins
			when(gtU(add(get(0), get(3)), get(4)), ret(zero())),
			set(5, zero()),
			forever(
				brIf(1, geU(get(5), get(3))),
				brIf(1, ne(load8(0, add(get(0), get(5))), load8(0, add(get(2), get(5))))),
				bump(5, 1)),
			when(eq(get(5), get(3)),
				set(5, add(get(0), get(3))),
				when(eq(get(5), get(4)), store(cellScratch, zero(), get(4)), store(cellScratch+4, zero(), zero()), ret(i32(1))),
				when(is(get(5), '=', '&'),
					when(eq(get(6), i32('=')), bump(5, 1)),
					set(0, get(5)),
					forever(
						brIf(1, geU(get(5), get(4))),
						brIf(1, eq(load8(0, get(5)), i32('&'))),
						bump(5, 1)),
					store(cellScratch, zero(), get(0)),
					store(cellScratch+4, zero(), sub(get(5), get(0))),
					ret(i32(1)))),
			forever(
				brIf(1, geU(get(0), get(4))),
				brIf(1, eq(load8(0, get(0)), i32('&'))),
				bump(0, 1)),
			bump(0, 1)),
		zero())
}

// quoted defines quoted(before, its len, ptr, len, after, its len): the length of a text
// as JSON between two others, which is at cellPacked; 0 if something in it would have to
// be escaped, -1 after it threw.
func (g *glue) quoted() {
	g.function("quoted", "iiiiii", "i", "iii", // 6 at, 7 end, 8 byte
		set(6, get(2)), set(7, add(get(2), get(3))),
		forever(
			brIf(1, geU(get(6), get(7))),
			set(8, load8(0, get(6))),
			when(or(ltU(get(8), i32(' ')), or(eq(get(8), i32('"')), eq(get(8), i32('\\')))), ret(zero())),
			bump(6, 1)),
		set(7, add(add(get(1), get(3)), get(5))),
		when(eqz(tee(6, g.call("room", add(get(7), i32(2))))), ret(i32(0xffffffff))),
		copyBytes(get(6), get(0), get(1)),
		set(6, add(get(6), get(1))),
		store8(0, get(6), i32('"')),
		copyBytes(add(get(6), i32(1)), get(2), get(3)),
		set(6, add(get(6), get(3))),
		store8(1, get(6), i32('"')),
		copyBytes(add(get(6), i32(2)), get(4), get(5)),
		add(get(7), i32(2)))
}
