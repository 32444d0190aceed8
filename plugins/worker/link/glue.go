package link

import (
	"fmt"
	"slices"

	"edge/plugins/wasmbin"
)

// The engine's memory begins with its stack, which grows down from engineStack to 0.
// The engine is told to use the upper quarter of it, and what is appended keeps its
// state at the other end: so it needs no global, and the code is the same for every
// Worker.
const (
	cellContext   = 0x100 // JSContext *
	cellRuntime   = 0x104 // JSRuntime *
	cellRequest   = 0x108 // i32, the request of this entry; 0 is none
	cellReserve   = 0x10c // i32, microseconds of its budget that interrupt it; 0: not asked yet
	cellStopped   = 0x110 // i32, how often this entry was interrupted
	cellRejected  = 0x114 // i32, not 0 if a promise was rejected, or one that was is handled now
	cellPacked    = 0x118 // i32, where a packed argument is
	cellSpare     = 0x11c // i32, what free takes when it was sent; 0 is none
	cellRead      = 0x120 // i32, where a result is
	cellReadSize  = 0x124 // i32, its length
	cellReadSpare = 0x128 // i32, what free takes when it was taken; 0 is none
	cellReported  = 0x12c // i32, not 0 once onError was called in this entry
	cellJobs      = 0x130 // i32, where the runtime has its list of jobs
	cellStarved   = 0x134 // i32, 1 if there was no memory for something in this entry
	cellCalls     = 0x138 // i32, where the engine counts the calls that are open
	cellRequests  = 0x13c // i32, where it counts the requests that are open
	handlers      = 0x140 // i64, JSValue of each of handlerNames
	cellNone      = 0x180 // i64, undefined: in place of a handler
	viewGetters   = 0x1a0 // i64, JSValue of DataView.prototype's buffer, byteOffset, byteLength
	cellArgs      = 0x200 // i64, JSValue of arguments
	cellScratch   = 0x280 // for what the engine and the edge write
	cellViews     = 0x300 // of each argument of a function: ptr, len, what JS_FreeCString takes
	constants     = 0x400 // texts that are needed for ever
	names         = 0x1000
	output        = 0x4000 // what the edge writes
	outputSize    = 0x8000
	expanded      = 0xc000 // that in UTF-8, when it was Latin-1
	packed        = 0x1c000
	packedSize    = 0x10000
	dead          = 0x4000 // from here on nothing is worth keeping in a module

	stackSize   = 256 << 10
	engineStack = 1 << 20 // where the engine's data begins
)

// handlerNames are functions that the runtime's JavaScript leaves in __edge. One that
// it does not is skipped.
var handlerNames = []string{"onInit", "onRequest", "onComplete", "onCancel", "onRejection", "onError", "onDrain", "onEvent"}

func handler(name string) uint32 { return handlers + 8*uint32(slices.Index(handlerNames, name)) }

// The engine's values are NaN-boxed in 64 bits: the high half is the tag, and the low
// one an integer or a pointer.
const (
	tagObject    = 0xffffffff
	tagInt       = 0
	tagNull      = 2
	tagUndefined = 3
	tagException = 6

	undefined = uint64(tagUndefined) << 32
	exception = uint64(tagException) << 32
)

// engineFunctions are what is called of the engine, and the parameters and results of
// each.
var engineFunctions = []struct{ name, params, results string }{
	{"_initialize", "", ""},
	{"qjs_init", "", "i"},
	{"qjs_get_context_ptr", "", "i"},
	{"qjs_get_runtime_ptr", "", "i"},
	{"qjs_set_promise_rejection_handler", "i", ""},
	{"qjs_set_interrupt_handler", "i", ""},
	{"qjs_free_value", "i", ""},
	{"malloc", "i", "i"},
	{"realloc", "ii", "i"},
	{"free", "i", ""},
	{"js_free", "ii", ""},
	{"memchr", "iii", "i"},
	{"JS_Call", "iIIii", "I"},
	{"JS_Eval", "iiiii", "I"},
	{"JS_EnqueueJob", "iiii", "i"},
	{"JS_EvalFunction", "iI", "I"},
	{"JS_ExecutePendingJob", "ii", "i"},
	{"JS_FreeCString", "ii", ""},
	{"JS_FreeValue", "iI", ""},
	{"JS_FreeValueRT", "iI", ""},
	{"JS_GetArrayBuffer", "iiI", "i"},
	{"JS_GetException", "i", "I"},
	{"JS_GetGlobalObject", "i", "I"},
	{"JS_GetPropertyStr", "iIi", "I"},
	{"JS_GetTypedArrayBuffer", "iIiii", "I"},
	{"JS_GetTypedArrayType", "I", "i"},
	{"JS_HasException", "i", "i"},
	{"JS_IsArrayBuffer", "I", "i"},
	{"JS_IsDataView", "I", "i"},
	{"JS_NewCFunction2", "iiiiii", "I"},
	{"JS_NewNumber", "iD", "I"},
	{"JS_NewObject", "i", "I"},
	{"JS_NewStringLen", "iii", "I"},
	{"JS_NewUint8ArrayCopy", "iii", "I"},
	{"JS_ParseJSON", "iiii", "I"},
	{"JS_ReadObject", "iiii", "I"},
	{"JS_RunGC", "i", ""},
	{"JS_SetMaxStackSize", "ii", ""},
	{"JS_SetPropertyStr", "iIiI", "i"},
	{"JS_ThrowInternalError", "iii", "I"},
	{"JS_ThrowOutOfMemory", "i", "I"},
	{"JS_ThrowTypeError", "iii", "I"},
	{"JS_ToCStringLen2", "iiIi", "i"},
	{"JS_ToFloat64", "iiI", "i"},
	{"JS_ToInt32", "iiI", "i"},
	{"JS_ToString", "iI", "I"},
	{"JS_WriteObject", "iiIi", "i"},
}

// glue appends functions to the engine.
type glue struct {
	*binary
	index    map[string]uint32 // of functions, by name: "JS_Call", "edge1.log", "view"
	texts    map[string]uint32 // where constants are
	end      uint32            // of constants
	nameEnd  uint32            // of names
	starting [][]byte          // data that the module begins with while it is built
	noJob    uint32            // where the table has a job that does nothing
	err      error
}

func newGlue(b *binary) *glue {
	return &glue{binary: b, index: map[string]uint32{}, texts: map[string]uint32{}, end: constants, nameEnd: names}
}

// call calls a function by name.
func (g *glue) call(name string, args ...code) code {
	i, ok := g.index[name]
	if !ok {
		g.err = fmt.Errorf("there is no function %s to call", name)
	}
	return do(do(args...), indexed(wasmbin.OpCall, i))
}

// declare makes room for a function, which others may then call; define gives it a
// body.
func (g *glue) declare(name, params, results string) {
	g.index[name] = uint32(len(g.imports) + len(g.functions))
	g.functions = append(g.functions, function{kind: g.typeOf(params, results)})
}

func (g *glue) define(name, locals string, parts ...code) {
	g.functions[g.index[name]-uint32(len(g.imports))].body = body(locals, parts...)
}

// function declares a function that nothing before it calls.
func (g *glue) function(name, params, results, locals string, parts ...code) {
	g.declare(name, params, results)
	g.define(name, locals, parts...)
}

// text is where a constant text is, with a NUL behind it.
func (g *glue) text(s string) code {
	at, ok := g.texts[s]
	if !ok {
		at = g.place(&g.end, names, s)
		g.texts[s] = at
	}
	return i32(at)
}

// name is text for what only the build needs.
func (g *glue) name(s string) code { return i32(g.place(&g.nameEnd, dead, s)) }

func (g *glue) place(end *uint32, limit uint32, s string) uint32 {
	at := *end
	if *end += uint32(len(s)) + 1; *end > limit {
		g.err = fmt.Errorf("no room for the text %q", s)
	}
	g.starting = append(g.starting, segment(at, append([]byte(s), 0)))
	return at
}

// ctx is the engine's context, an argument of nearly everything.
func ctx() code { return load(cellContext, zero()) }

// request is that of this entry.
func request() code { return load(cellRequest, zero()) }

// threw says whether a value is an exception.
func threw(v code) code { return eq(high(v), i32(tagException)) }

// typeError throws one; it is a value.
func (g *glue) typeError(text string) code {
	return g.call("JS_ThrowTypeError", ctx(), g.text(text), zero())
}

// outOfMemory throws; it is a value.
func (g *glue) outOfMemory() code { return g.call("starve", ctx()) }

// edgeImports adds what the table imports, each function once.
func (g *glue) edgeImports(table []foreign) {
	for _, f := range table {
		key := "edge1." + f.imp
		if _, ok := g.index[key]; ok || f.imp == "" {
			continue
		}
		g.index[key] = uint32(len(g.imports))
		g.imports = append(g.imports, imported{"edge1", f.imp, g.typeOf(f.signature(), "I")})
	}
}
