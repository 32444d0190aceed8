package link

// lastWords answers a request whose Worker could not even say that it failed.
const lastWords = `{"code":"PLUGIN_FAILED","message":"the Worker ran out of memory"}`

// run defines what every entry does: call a handler, and then what it left to be done.
func (g *glue) run() {
	invoke := func(handler, argc code) code {
		return g.call("JS_Call", ctx(), load64(0, handler), i64(undefined), argc, i32(cellArgs))
	}
	// report(): hands the exception to onError with the request of this entry. If that
	// fails too, there is no memory.
	g.function("report", "", "", "II",
		store(cellReported, zero(), i32(1)),
		store64(cellArgs, zero(), tee(0, g.call("JS_GetException", ctx()))),
		store64(cellArgs+8, zero(), g.call("toNumber", request())),
		set(1, invoke(i32(handler("onError")), i32(2))),
		when(threw(get(1)),
			set(1, g.call("JS_GetException", ctx())),
			when(request(), drop(g.call("edge1.fail", request(), g.text(lastWords), i32(uint32(len(lastWords))))))),
		g.call("JS_FreeValue", ctx(), get(1)),
		g.call("JS_FreeValue", ctx(), get(0)))
	g.jobs()
	// run(handler, argc): 0 if it was reported that the handler failed. cellScratch+8
	// has what it returned, as a number.
	g.function("run", "ii", "i", "Ii", // 2 value, 3 result
		store(cellScratch+8, zero(), zero()),
		when(eq(high(load64(0, get(0))), i32(tagUndefined)), g.call("jobs"), ret(i32(1))),
		set(2, invoke(get(0), get(1))),
		either(threw(get(2)), g.call("report"),
			do(set(3, i32(1)), when(eqz(high(get(2))), store(cellScratch+8, zero(), wrap(get(2)))), g.call("JS_FreeValue", ctx(), get(2)))),
		g.call("jobs"),
		get(3))
	// enter(handler, argc, request): run, and then onDrain if promises were rejected or
	// requests are open and no call is; again if that left promises rejected. Where it
	// fails, the next entry goes on. What was stopped or ran out of memory leaves rubbish
	// behind that the engine does not look for before there is half as much again.
	hung := and(gtU(load(0, load(cellRequests, zero())), zero()), eqz(load(0, load(cellCalls, zero()))))
	g.function("enter", "iii", "i", "ii", // 3 result, 4 drained
		store(cellRequest, zero(), get(2)),
		store(cellReserve, zero(), zero()), store(cellStopped, zero(), zero()), store(cellReported, zero(), zero()), store(cellStarved, zero(), zero()),
		set(3, g.call("run", get(0), get(1))),
		set(1, load(cellScratch+8, zero())),
		when(or(load(cellRejected, zero()), hung),
			forever(
				store(cellRejected, zero(), zero()),
				set(4, g.call("run", i32(handler("onDrain")), zero())),
				brIf(1, eqz(load(cellRejected, zero())))),
			store(cellRejected, zero(), eqz(get(4)))),
		when(or(load(cellStarved, zero()), load(cellStopped, zero())), g.call("JS_RunGC", load(cellRuntime, zero()))),
		store(cellRequest, zero(), zero()),
		store(cellScratch+8, zero(), get(1)),
		get(3))
}

// replaced defines what the engine imports of its host.
func (g *glue) replaced() {
	for _, name := range []string{"host_get_timezone_offset", "host_module_normalize", "host_module_load", "host_call"} {
		g.define("env."+name, "", zero())
	}
	g.interrupt()
	// host_promise_rejection(promise, reason, handled), both boxed and ours to free.
	g.define("env.host_promise_rejection", "I",
		store(cellRejected, zero(), i32(1)),
		when(ne(high(load64(handler("onRejection"), zero())), i32(tagUndefined)),
			store64(cellArgs, zero(), load64(0, get(0))),
			store64(cellArgs+8, zero(), load64(0, get(1))),
			store64(cellArgs+16, zero(), extendU(get(2))),
			set(3, g.call("JS_Call", ctx(), load64(handler("onRejection"), zero()), i64(undefined), i32(3), i32(cellArgs))),
			when(threw(get(3)), set(3, g.call("JS_GetException", ctx()))),
			g.call("JS_FreeValue", ctx(), get(3))),
		g.call("qjs_free_value", get(0)),
		g.call("qjs_free_value", get(1)))
}

// Microseconds that are left to a request when it is interrupted: a fifth of what an
// entry began with, and at least leastReserve, so that the edge, which would end the
// instance, comes second. Freeing what was made meanwhile takes some of that, and the
// engine asks only between two steps of JavaScript.
const (
	reserveShare = 5
	leastReserve = 2000
)

// interrupt defines host_interrupt(), which the engine asks every few hundred
// microseconds: 1 ends what runs, which no JavaScript can catch. What runs after that,
// to report it, has half of what was left then, and so on.
func (g *glue) interrupt() {
	g.define("env.host_interrupt", "Iii", // 0 answer, 1 left, 2 reserve
		set(0, g.call("edge1.budget", request())),
		when(high(get(0)), ret(zero())), // nobody knows of a bound
		when(eq(tee(1, wrap(get(0))), i32(0xffffffff)), ret(zero())),
		when(eqz(tee(2, load(cellReserve, zero()))),
			either(load(cellStopped, zero()), set(2, shrU(get(1), i32(1))),
				do(set(2, divU(get(1), i32(reserveShare))), when(ltU(get(2), i32(leastReserve)), set(2, i32(leastReserve))))),
			store(cellReserve, zero(), tee(2, or(get(2), i32(1))))),
		when(ltU(get(2), get(1)), ret(zero())),
		store(cellStopped, zero(), add(load(cellStopped, zero()), i32(1))),
		store(cellReserve, zero(), zero()),
		i32(1))
}

// entries defines what the edge calls.
func (g *glue) entries() {
	enter := func(name string, argc uint32) code {
		var c code
		for i := range argc {
			c = do(c, store64(cellArgs+8*i, zero(), g.call("toNumber", get(i))))
		}
		req := zero()
		if argc > 0 {
			req = get(0)
		}
		return do(c, g.call("enter", i32(handler(name)), i32(argc), req))
	}
	g.function("edge1", "", "", "")
	g.function("edge_init", "", "i", "", when(enter("onInit", 0), ret(zero())), i32(errnoInternal))
	g.function("edge_request", "i", "i", "", drop(enter("onRequest", 1)), i32(1))
	g.function("edge_complete", "iii", "", "", drop(enter("onComplete", 3)))
	g.function("edge_cancel", "i", "", "", drop(enter("onCancel", 1)))
	g.function("edge_event", "i", "i", "",
		when(eq(high(load64(handler("onEvent"), zero())), i32(tagUndefined)), ret(i32(errnoUnsupported))),
		when(enter("onEvent", 1), ret(load(cellScratch+8, zero()))), i32(errnoInternal))
}

const (
	errnoUnsupported = 11
	errnoInternal    = 12
)
