package link

import "edge/plugins/wasmbin"

// Fields of the engine's JSObject and JSMapState: what a Map holds, and how much that is.
const (
	objectMap = 24
	mapCount  = 12
)

// Flags of the engine's (quickjs.h).
const (
	evalCompileOnly  = 1 << 5 // JS_EVAL_FLAG_COMPILE_ONLY
	writeBytecode    = 1 << 0 // JS_WRITE_OBJ_BYTECODE
	writeStripSource = 1 << 4 // JS_WRITE_OBJ_STRIP_SOURCE
	readBytecode     = 1 << 0 // JS_READ_OBJ_BYTECODE
)

// building defines what only the build calls.
func (g *glue) building(table []foreign, firstEntry uint32) {
	g.begin(table, firstEntry)
	// 1, or 2 if there was no memory for something until then, with the error's text and
	// its stack in the first two views
	failed := func(value uint32) code {
		return when(threw(get(value)),
			set(value, g.call("JS_GetException", ctx())),
			ret(add(i32(1), do(load(cellStarved, zero()),
				g.shown(g.call("JS_ToString", ctx(), get(value)), cellViews),
				g.shown(g.call("JS_GetPropertyStr", ctx(), get(value), g.name("stack")), cellViews+16)))))
	}
	// build_compile(source, len, file): the first view is bytecode without the source,
	// which functions otherwise keep.
	g.function("build_compile", "iii", "i", "I",
		set(3, g.call("JS_Eval", ctx(), get(0), get(1), get(2), i32(evalCompileOnly))),
		failed(3),
		store(cellViews, zero(), g.call("JS_WriteObject", ctx(), i32(cellViews+4), get(3), i32(writeBytecode|writeStripSource))),
		eqz(load(cellViews, zero())))
	// build_run(bytecode, len)
	g.function("build_run", "ii", "i", "I",
		set(2, g.call("JS_ReadObject", ctx(), get(0), get(1), i32(readBytecode))),
		when(eqz(threw(get(2))), set(2, g.call("JS_EvalFunction", ctx(), get(2)))),
		failed(2),
		g.call("JS_FreeValue", ctx(), get(2)), zero())
	// build_eval(source, len, file)
	g.function("build_eval", "iii", "i", "I",
		set(3, g.call("JS_Eval", ctx(), get(0), get(1), get(2), zero())),
		failed(3),
		g.call("JS_FreeValue", ctx(), get(3)), zero())
	var keep []code
	for i, h := range handlerNames {
		keep = append(keep, store64(handlers+8*uint32(i), zero(), g.call("JS_GetPropertyStr", ctx(), get(0), g.name(h))))
	}
	g.function("build_keep", "", "", "II",
		set(0, g.call("JS_GetPropertyStr", ctx(), g.call("JS_GetGlobalObject", ctx()), g.name("__edge"))), do(keep...),
		g.countOf("calls", cellCalls), g.countOf("requests", cellRequests))
	// build_settle(): not 0 if what was left to be done did not end in time. That memory
	// was lacking stays noted for the next script, which throws what this one did.
	g.function("build_settle", "", "i", "i",
		set(0, load(cellStarved, zero())),
		drop(g.call("enter", i32(cellNone), zero(), zero())), g.call("JS_RunGC", load(cellRuntime, zero())),
		store(cellStarved, zero(), or(get(0), load(cellStarved, zero()))),
		load(cellStopped, zero()))
}

// countOf is part of build_keep: it writes to a cell where the engine counts the
// elements of a Map that the runtime leaves in __edge, if it does; it stays for ever.
func (g *glue) countOf(name string, cell uint32) code {
	return do(
		set(1, g.call("JS_GetPropertyStr", ctx(), get(0), g.name(name))),
		when(eq(high(get(1)), i32(tagObject)),
			store(cell, zero(), add(load(objectMap, wrap(get(1))), i32(mapCount)))))
}

// checkCount is part of build_begin: it traps if the engine counts elsewhere.
func (g *glue) checkCount(value uint32) code {
	const three = "new Map([[1], [2], [3]])"
	return do(
		set(value, g.call("JS_Eval", ctx(), g.name(three), i32(uint32(len(three))), g.name("edge"), zero())),
		when(ne(load(mapCount, load(objectMap, wrap(get(value)))), i32(3)), code{wasmbin.OpUnreachable}),
		g.call("JS_FreeValue", ctx(), get(value)))
}

// begin defines build_begin, which starts the engine and gives JavaScript its
// functions, in __edge.
func (g *glue) begin(table []foreign, firstEntry uint32) {
	var register []code
	for i, f := range table {
		n := g.name(f.name)
		made := g.call("JS_NewCFunction2", ctx(), i32(firstEntry+uint32(i)), n, i32(uint32(len(f.args))), zero(), zero())
		register = append(register, drop(g.call("JS_SetPropertyStr", ctx(), get(0), n, made)))
	}
	for i, property := range []string{"buffer", "byteOffset", "byteLength"} {
		script := "Object.getOwnPropertyDescriptor(DataView.prototype, '" + property + "').get"
		register = append(register, store64(viewGetters+8*uint32(i), zero(),
			g.call("JS_Eval", ctx(), g.name(script), i32(uint32(len(script))), g.name("edge"), zero())))
	}
	for i := range handlerNames {
		register = append(register, store64(handlers+8*uint32(i), zero(), i64(undefined)))
	}
	register = append(register, store64(cellNone, zero(), i64(undefined)))
	g.function("build_begin", "", "", "Iii",
		g.call("_initialize"), drop(g.call("qjs_init")),
		store(cellContext, zero(), g.call("qjs_get_context_ptr")),
		store(cellRuntime, zero(), g.call("qjs_get_runtime_ptr")),
		g.call("JS_SetMaxStackSize", load(cellRuntime, zero()), i32(stackSize)),
		g.call("qjs_set_promise_rejection_handler", i32(1)),
		g.call("qjs_set_interrupt_handler", i32(1)),
		g.findJobs(1, 2),
		g.checkCount(0),
		set(0, g.call("JS_NewObject", ctx())),
		do(register...),
		drop(g.call("JS_SetPropertyStr", ctx(), g.call("JS_GetGlobalObject", ctx()), g.name("__edge"), get(0))))
}

// shown leaves a value's text in a view's cell: nothing if there is none.
func (g *glue) shown(value code, cell uint32) code {
	return when(eqz(g.call("view", value, i32(cell))),
		g.call("JS_FreeValue", ctx(), g.call("JS_GetException", ctx())), store(4, i32(cell), zero()))
}
