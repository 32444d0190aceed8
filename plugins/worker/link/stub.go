package link

import (
	"strings"

	"edge/plugins/wasmbin"
)

// Locals of a stub: its parameters are the context, this, argc and argv.
const (
	localArgv   = 3
	localResult = 4 // i64
	localErrno  = 5
	localPacked = 6 // length of the packed argument
	localFirst  = 7 // of the numbers
)

// stub declares and defines the function behind a row of the table. QuickJS sees to it
// that there are as many arguments as the row has. Numbers are converted first: that
// alone can run user code, and what comes after shares cells.
func (g *glue) stub(f foreign) {
	numbers, bytes, cells := "", code(nil), code(nil)
	var converted, args, release code
	for i, letter := range []byte(f.args) {
		value := load64(uint32(8*i), get(localArgv))
		local := uint32(localFirst + len(numbers))
		if letter == 'i' || letter == 'd' {
			args = do(args, get(local))
			numbers += map[byte]string{'i': "i", 'd': "D"}[letter]
			converted = do(converted, g.toLocal(letter, value, local))
			continue
		}
		at := cellViews + uint32(16*i)
		cells = do(cells, store(8, i32(at), zero()))
		release = do(release, g.call("release", i32(at)))
		viewed, size := load(0, i32(at)), load(4, i32(at))
		make := "view"
		if letter == 'w' {
			make = "bytes"
		}
		bytes = do(bytes, when(eqz(g.call(make, value, i32(at))), br(1)))
		if strings.IndexByte("ahl", letter) < 0 {
			args = do(args, viewed, size)
			continue
		}
		pack := g.call("narrow", viewed, size)
		switch letter {
		case 'h':
			pack = g.call("pack", viewed, size, zero())
		case 'l':
			pack = g.call("pack", viewed, size, i32(1))
		}
		bytes = do(bytes, brIf(0, eq(tee(localPacked, pack), i32(0xffffffff))))
		args = do(args, load(cellPacked, zero()), get(localPacked))
		release = do(release, g.call("spare"))
	}
	body := do(converted, cells)
	if bytes != nil { // a block that is left when there are no bytes to be had
		body = do(body, code{wasmbin.OpBlock, wasmbin.BlockEmpty}, code{wasmbin.OpBlock, wasmbin.BlockEmpty}, bytes, code{wasmbin.OpBr, 1, wasmbin.OpEnd},
			release, ret(i64(exception)), code{wasmbin.OpEnd})
	}
	g.function("js."+f.name, "iIii", "I", "Iii"+numbers, body, g.answer(f, args, release, numbers))
}

// toLocal converts a number, or returns.
func (g *glue) toLocal(letter byte, value code, local uint32) code {
	if letter == 'd' {
		return do(when(ltS(g.call("JS_ToFloat64", ctx(), i32(cellScratch), value), zero()), ret(i64(exception))),
			set(local, memory(0x2b, 3, cellScratch, zero())))
	}
	return either(eqz(high(value)), set(local, wrap(value)),
		do(when(eqz(g.call("number", value, i32(cellScratch))), ret(i64(exception))), set(local, load(cellScratch, zero()))))
}

// answer calls the function and makes a value of what it says.
func (g *glue) answer(f foreign, args, release code, numbers string) code {
	if own := g.own(f, args, release); own != nil {
		return own
	}
	req := zero()
	if strings.HasPrefix(f.args, "i") {
		req = get(localFirst)
	}
	low := wrap(get(localResult))
	var result code
	switch f.result {
	case 'n':
		result = g.call("toNumber", low)
	case 's', 'B':
		text := zero()
		if f.result == 's' {
			text = i32(1)
		}
		args = do(args, i32(output), i32(outputSize))
		result = g.call("take", req, low, text)
	case 'v', 'h':
		args = do(args, i32(output), i32(outputSize))
		count := zero()
		if f.result == 'h' {
			count = i32(4)
		}
		result = do(when(eqz(g.call("kept", req, low)), ret(g.outOfMemory())),
			set(localResult, g.call("widen", add(load(cellRead, zero()), count), add(load(cellRead, zero()), low))),
			g.call("done"), get(localResult))
	case 'F':
		args = do(args, i32(output), i32(outputSize))
		result = do(when(eqz(g.call("kept", req, low)), ret(g.outOfMemory())),
			set(localResult, g.call("fetched", load(cellRead, zero()), add(load(cellRead, zero()), low))),
			g.call("done"), get(localResult))
	}
	return do(set(localResult, g.call("edge1."+f.imp, args)), release, g.refused(), result)
}

// refused returns -errno unless it is OK.
func (g *glue) refused() code {
	return when(tee(localErrno, high(get(localResult))), ret(extendU(sub(zero(), get(localErrno)))))
}
