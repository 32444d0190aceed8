package link

import (
	"fmt"
	"strings"
)

// Memory below the engine's data is its stack, which grows down from 1 MiB. The
// engine is told to use half of it: what the glue needs is at the other end.
const (
	cellContext  = 0x100 // JSContext *
	cellRuntime  = 0x104 // JSRuntime *
	cellLimit    = 0x108 // i64, nanoseconds that an entry may compute; 0 is no bound
	cellUntil    = 0x110 // i64, when that is over; 0 until the engine asks first
	cellRejected = 0x118 // i32, not 0 if a rejection is to be looked at
	handlers     = 0x140 // i64, JSValue of each handler
	cellArgs     = 0x200 // JSValue of arguments
	cellScratch  = 0x280
	cellViews    = 0x300 // ptr, len, what to free, of each argument
	names        = 0x1000
	output       = 0x4000
	outputSize   = 0x8000
	wide         = 0xc000  // UTF-16 of what is in output
	packed       = 0x1c000 // a header block for the host
	packedSize   = 0x10000

	stackSize   = 256 << 10
	engineStack = 1 << 20 // its end, at which the engine's data begins
)

// Handlers are functions that the runtime's JavaScript leaves in __edge.
var handlerNames = []string{"onRequest", "onComplete", "onCancel", "onRejection", "onError", "onDrain", "onInit"}

func handler(name string) uint32 {
	for i, n := range handlerNames {
		if n == name {
			return handlers + 8*uint32(i)
		}
	}
	panic("worker: no handler " + name)
}

// The engine's values are NaN-boxed in 64 bits: the tag is the high half.
const (
	tagNull      = 2
	tagUndefined = 3
	tagException = 6
	tagObject    = 0xffffffff

	undefined = uint64(tagUndefined) << 32
)

// engine names what is called of the engine.
var engineFunctions = []string{
	"_initialize", "qjs_init", "qjs_get_context_ptr", "qjs_get_runtime_ptr", "qjs_set_promise_rejection_handler",
	"qjs_set_interrupt_handler", "qjs_free_value", "malloc", "free",
	"JS_Call", "JS_Eval", "JS_ExecutePendingJob", "JS_FreeCString", "JS_FreeValue", "JS_GetException", "JS_GetGlobalObject",
	"JS_GetPropertyStr", "JS_GetUint8Array", "JS_NewCFunction2", "JS_NewNumber", "JS_NewObject", "JS_NewStringLen", "JS_NewStringUTF16",
	"JS_NewUint8ArrayCopy", "JS_RunGC", "JS_SetMaxStackSize", "JS_SetPropertyStr", "JS_ThrowOutOfMemory", "JS_ToCStringLen2", "JS_ToFloat64", "JS_ToInt32",
}

// glue appends functions to the engine.
type glue struct {
	*binary
	index map[string]uint32
	err   error
}

// call calls a function by name: engine's, glue's, or imported ("edge1.log").
func (g *glue) call(name string, args ...code) code {
	i, ok := g.index[name]
	if !ok {
		g.err = fmt.Errorf("the glue has no %s", name)
	}
	return appendU32(append(do(args...), opCall), i)
}

// declare makes room for a function; define gives it a body.
func (g *glue) declare(name, params, results string) {
	g.index[name] = uint32(len(g.imports) + len(g.functions))
	g.functions = append(g.functions, function{kind: g.typeOf(params, results)})
}

func (g *glue) define(name, locals string, parts ...code) {
	g.functions[g.index[name]-uint32(len(g.imports))].body = body(locals, parts...)
}

func zero() code { return i32(0) }
func ctx() code  { return load(cellContext, zero()) }

// edgeImports adds the imports of edge1 for the table.
func (g *glue) edgeImports(table []foreign) {
	for _, f := range table {
		key := "edge1." + f.imp
		if _, ok := g.index[key]; ok || f.imp == "" {
			continue
		}
		params := strings.NewReplacer("b", "ii", "h", "ii", "d", "D").Replace(f.args)
		switch f.result {
		case 's', 'B', 'v', 'h':
			params += "ii"
		case 'R':
			params = "ii"
		}
		g.index[key] = uint32(len(g.imports))
		g.imports = append(g.imports, imported{"edge1", f.imp, g.typeOf(params, "I")})
	}
}

// helpers defines what the others are made of.
func (g *glue) helpers() {
	g.declare("int", "I", "i")
	g.declare("view", "Ii", "")
	g.declare("release", "i", "")
	g.declare("number", "i", "I")
	g.declare("make", "iii", "I")
	g.declare("take", "iii", "I")
	g.declare("widen", "ii", "I")
	g.declare("pack", "ii", "i")
	g.declare("report", "", "")
	g.declare("run", "ii", "")
	g.declare("enter", "ii", "")

	// int(value): a number as an i32.
	g.define("int", "",
		when(eqz(high(get(0))), ret(wrap(get(0))), nil),
		drop(g.call("JS_ToInt32", ctx(), i32(cellScratch), get(0))),
		load(cellScratch, zero()))
	// view(value, cell): its bytes.
	g.define("view", "i",
		store(8, get(1), zero()),
		set(2, high(get(0))),
		when(eq(get(2), i32(tagObject)),
			do(store(0, get(1), tee(2, g.call("JS_GetUint8Array", ctx(), append(do(get(1), i32(4)), 0x6a), get(0)))),
				when(eqz(get(2)), do(store(4, get(1), zero()), g.call("JS_FreeValue", ctx(), g.call("JS_GetException", ctx()))), nil)),
			when(or(eq(get(2), i32(tagNull)), eq(get(2), i32(tagUndefined))),
				do(store(0, get(1), zero()), store(4, get(1), zero())),
				do(store(0, get(1), tee(2, g.call("JS_ToCStringLen2", ctx(), append(do(get(1), i32(4)), 0x6a), get(0), zero()))),
					store(8, get(1), get(2)),
					when(eqz(get(2)), store(4, get(1), zero()), nil)))))
	g.define("release", "",
		when(load(8, get(0)), g.call("JS_FreeCString", ctx(), load(8, get(0))), nil))
	// number(low): a JavaScript number.
	g.define("number", "",
		when(ltS(get(0), zero()), ret(g.call("JS_NewNumber", ctx(), append(get(0), 0xb8))), nil), // f64.convert_i32_u
		extendU(get(0)))
	// make(ptr, len, text): a string or Uint8Array.
	g.define("make", "",
		when(get(2), ret(g.call("JS_NewStringLen", ctx(), get(0), get(1))), nil),
		g.call("JS_NewUint8ArrayCopy", ctx(), get(0), get(1)))
	// take(req, len, text): what a function wrote, or what the host kept of it.
	g.define("take", "iI",
		when(leU(get(1), i32(outputSize)), ret(g.call("make", i32(output), get(1), get(2))), nil),
		when(eqz(tee(3, g.call("malloc", get(1)))), ret(g.call("JS_ThrowOutOfMemory", ctx())), nil),
		drop(g.call("edge1.result_read", get(0), zero(), zero(), get(3), get(1))),
		set(4, g.call("make", get(3), get(1), get(2))),
		g.call("free", get(3)),
		get(4))
	// widen(from, to): a string of a list of len, bytes: the bytes are Latin-1, and
	// NUL is between them. Locals: 2 to, 3 end of the bytes.
	g.define("widen", "ii",
		set(2, i32(wide)),
		forever(
			when(leU(get(1), get(0)), br(2), nil),
			set(3, add(add(get(0), i32(4)), load(0, get(0)))),
			set(0, add(get(0), i32(4))),
			when(leU(get(3), get(1)), nil, br(2)),
			forever(
				when(leU(get(3), get(0)), br(2), nil),
				store16(get(2), load8(get(0))),
				set(0, add(get(0), i32(1))), set(2, add(get(2), i32(2)))),
			when(leU(get(1), get(0)), nil, do(store16(get(2), zero()), set(2, add(get(2), i32(2)))))),
		g.call("JS_NewStringUTF16", ctx(), i32(wide), append(do(get(2), i32(wide)), 0x6b, 0x41, 1, 0x76)))
	// pack(ptr, len): a header block of strings that end with NUL; its length, 0 for
	// one that is too long. Locals: 2 to, 3 strings, 4 where the length is, 5 end.
	g.define("pack", "iiii",
		when(leU(get(1), i32(packedSize/8)), nil, ret(zero())),
		set(5, add(get(0), get(1))), set(2, i32(packed+4)),
		forever(
			when(leU(get(5), get(0)), br(2), nil),
			set(4, get(2)), set(2, add(get(2), i32(4))),
			forever(
				when(eqz(load8(get(0))), br(2), nil),
				store8(get(2), load8(get(0))),
				set(0, add(get(0), i32(1))), set(2, add(get(2), i32(1)))),
			set(0, add(get(0), i32(1))),
			store(0, get(4), append(do(get(2), get(4)), 0x6b, 0x41, 4, 0x6b)),
			set(3, add(get(3), i32(1)))),
		store(packed, zero(), append(do(get(3), i32(1)), 0x76)),
		append(do(get(2), i32(packed)), 0x6b))
	// report(): hands the exception to onError.
	g.define("report", "II",
		store64(cellUntil, zero(), i64(0)),
		store64(cellArgs, zero(), tee(0, g.call("JS_GetException", ctx()))),
		set(1, g.call("JS_Call", ctx(), load64(handler("onError"), zero()), i64(undefined), i32(1), i32(cellArgs))),
		when(eq(high(get(1)), i32(tagException)), set(1, g.call("JS_GetException", ctx())), nil),
		g.call("JS_FreeValue", ctx(), get(1)),
		g.call("JS_FreeValue", ctx(), get(0)))
	// run(handler, argc): calls it and what it leaves to be done.
	g.define("run", "Ii",
		set(2, g.call("JS_Call", ctx(), load64(0, get(0)), i64(undefined), get(1), i32(cellArgs))),
		when(eq(high(get(2)), i32(tagException)), g.call("report"), g.call("JS_FreeValue", ctx(), get(2))),
		forever(
			when(eqz(tee(3, g.call("JS_ExecutePendingJob", load(cellRuntime, zero()), i32(cellScratch)))), br(2), nil),
			when(ltS(get(3), zero()), g.call("report"), nil)))
	// enter(handler, argc): run, and then what nobody caught.
	g.define("enter", "",
		store64(cellUntil, zero(), i64(0)),
		g.call("run", get(0), get(1)),
		forever(
			when(eqz(load(cellRejected, zero())), br(2), nil),
			store(cellRejected, zero(), zero()),
			g.call("run", i32(handler("onDrain")), zero())))
}

// stub declares and defines the function behind a row of the table.
func (g *glue) stub(f foreign) {
	name := "js." + f.name
	g.declare(name, "iIii", "I") // context, this, argc, argv
	var before, args, after []code
	for i := range f.args {
		value := load64(uint32(8*i), get(3))
		cell := i32(cellViews + uint32(16*i))
		switch f.args[i] {
		case 'i':
			args = append(args, g.call("int", value))
		case 'd':
			before = append(before, drop(g.call("JS_ToFloat64", ctx(), i32(cellViews+uint32(16*i)), value)))
			args = append(args, loadF(cellViews+uint32(16*i), zero()))
		case 'h':
			before = append(before, g.call("view", value, cell), set(6, g.call("pack", load(0, cell), load(4, cell))))
			args = append(args, i32(packed), get(6))
			after = append(after, g.call("release", cell))
		case 'b':
			before = append(before, g.call("view", value, cell))
			args = append(args, load(0, cell), load(4, cell))
			after = append(after, g.call("release", cell))
		}
	}
	text := i32(0)
	if f.result == 's' {
		text = i32(1)
	}
	if f.imp == "" { // the bytes of its only argument, copied
		g.define(name, "I", do(before...), set(4, g.call("make", args[0], args[1], text)), do(after...), get(4))
		return
	}
	var result code
	request := zero()
	if f.args[0] == 'i' {
		request = g.call("int", load64(0, get(3)))
	}
	low := wrap(get(4))
	switch f.result {
	case 'n':
		result = g.call("number", low)
	case 's', 'B':
		args = append(args, i32(output), i32(outputSize))
		result = g.call("take", request, low, text)
	case 'v', 'h': // a value list or header block, of what fits
		args = append(args, i32(output), i32(outputSize))
		from := uint32(output)
		if f.result == 'h' {
			from += 4
		}
		result = do(when(leU(low, i32(outputSize)), nil, ret(i64(uint64(0xfffffff8)))),
			g.call("widen", i32(from), add(i32(output), low)))
	case 'R':
		args = append([]code{i32(output)}, args...)
		result = g.call("make", i32(output), g.call("int", load64(0, get(3))), zero())
	}
	g.define(name, "Iii",
		do(before...), set(4, g.call("edge1."+f.imp, args...)), do(after...),
		when(tee(5, high(get(4))), ret(extendU(append(do(zero(), get(5)), 0x6b))), nil), // -errno
		result)
}

// replaced defines what the engine imports of its host.
func (g *glue) replaced() {
	g.define("env.host_get_timezone_offset", "", zero())
	g.define("env.host_module_normalize", "", zero())
	g.define("env.host_module_load", "", zero())
	g.define("env.host_call", "", zero())
	// host_interrupt(): 1 if the entry computed for too long.
	g.define("env.host_interrupt", "I",
		when(append(load64(cellLimit, zero()), 0x50), ret(zero()), nil),
		drop(g.call("wasi_snapshot_preview1.clock_time_get", i32(1), i64(0), i32(cellScratch+16))),
		set(0, load64(cellScratch+16, zero())),
		when(append(load64(cellUntil, zero()), 0x50),
			do(store64(cellUntil, zero(), add64(get(0), load64(cellLimit, zero()))), ret(zero())), nil),
		append(do(get(0), load64(cellUntil, zero())), 0x5a)) // i64.ge_u
	// host_promise_rejection(promise, reason, handled), both boxed and ours to free.
	g.define("env.host_promise_rejection", "I",
		store(cellRejected, zero(), i32(1)),
		store64(cellArgs, zero(), load64(0, get(0))),
		store64(cellArgs+8, zero(), load64(0, get(1))),
		store64(cellArgs+16, zero(), extendU(get(2))),
		g.call("JS_FreeValue", ctx(), g.call("JS_Call", ctx(), load64(handler("onRejection"), zero()), i64(undefined), i32(3), i32(cellArgs))),
		g.call("qjs_free_value", get(0)),
		g.call("qjs_free_value", get(1)))
}

// entries defines what the edge calls.
func (g *glue) entries() {
	args := func(n uint32) code {
		var c code
		for i := range n {
			c = do(c, store64(cellArgs+8*i, zero(), g.call("number", get(i))))
		}
		return c
	}
	for _, e := range []struct {
		name, params, results string
		body                  code
	}{
		{"edge1", "", "", nil},
		{"edge_init", "", "i", do(g.call("enter", i32(handler("onInit")), zero()), zero())},
		{"edge_request", "i", "i", do(args(1), g.call("enter", i32(handler("onRequest")), i32(1)), i32(1))},
		{"edge_complete", "iii", "", do(args(3), g.call("enter", i32(handler("onComplete")), i32(3)))},
		{"edge_cancel", "i", "", do(args(1), g.call("enter", i32(handler("onCancel")), i32(1)))},
	} {
		g.declare(e.name, e.params, e.results)
		g.define(e.name, "", e.body)
	}
}

// building defines what only the build calls: begin, evaluate and settle.
func (g *glue) building(table []foreign, firstEntry uint32) {
	offset := uint32(names)
	name := func(s string) code {
		at := offset
		g.data = append(g.data, append(appendU32(append(appendSigned([]byte{0, opI32Const}, int64(at)), opEnd), uint32(len(s)+1)), s+"\x00"...))
		offset += uint32(len(s) + 1)
		return i32(at)
	}
	var register []code
	for i, f := range table {
		n := name(f.name)
		made := g.call("JS_NewCFunction2", ctx(), i32(firstEntry+uint32(i)), n, i32(uint32(len(f.args))), zero(), zero())
		register = append(register, drop(g.call("JS_SetPropertyStr", ctx(), get(0), n, made)))
	}
	edge, stack := name("__edge"), name("stack")
	g.declare("build_begin", "", "")
	g.define("build_begin", "I",
		g.call("_initialize"), drop(g.call("qjs_init")),
		store(cellContext, zero(), g.call("qjs_get_context_ptr")),
		store(cellRuntime, zero(), g.call("qjs_get_runtime_ptr")),
		g.call("JS_SetMaxStackSize", load(cellRuntime, zero()), i32(stackSize)),
		g.call("qjs_set_promise_rejection_handler", i32(1)),
		g.call("qjs_set_interrupt_handler", i32(1)),
		set(0, g.call("JS_NewObject", ctx())),
		do(register...),
		drop(g.call("JS_SetPropertyStr", ctx(), g.call("JS_GetGlobalObject", ctx()), edge, get(0))))
	// build_eval(source, len, file): the length of the error's text, at what scratch says.
	g.declare("build_eval", "iii", "i")
	g.define("build_eval", "I",
		set(3, g.call("JS_Eval", ctx(), get(0), get(1), get(2), zero())),
		when(eq(high(get(3)), i32(tagException)), do(
			set(3, g.call("JS_GetException", ctx())),
			g.call("view", get(3), i32(cellViews)), // message
			drop(g.call("view", g.call("JS_GetPropertyStr", ctx(), get(3), stack), i32(cellViews+16)), i32(0)),
			ret(i32(1))), nil),
		g.call("JS_FreeValue", ctx(), get(3)), zero())
	var keep []code
	for i, h := range handlerNames {
		keep = append(keep, store64(handlers+8*uint32(i), zero(), g.call("JS_GetPropertyStr", ctx(), get(0), name(h))))
	}
	g.declare("build_keep", "", "")
	g.define("build_keep", "I",
		set(0, g.call("JS_GetPropertyStr", ctx(), g.call("JS_GetGlobalObject", ctx()), edge)), do(keep...))
	g.declare("build_settle", "", "")
	g.define("build_settle", "",
		g.call("enter", i32(handler("onDrain")), zero()), g.call("JS_RunGC", load(cellRuntime, zero())))
}
