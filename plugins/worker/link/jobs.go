package link

// Fields of the engine's JSJobEntry, an element of the list of jobs: next and previous,
// context, function.
const (
	jobNext     = 0
	jobPrevious = 4
	jobFunction = 12
)

// jobs defines jobs(), which runs what promises left to be done. Jobs can go on for
// ever without one that does, each leaving another. So an interrupted entry goes on
// with them, since they may be another request's, until it is interrupted again; what
// is left then never runs.
func (g *glue) jobs() {
	execute := g.call("JS_ExecutePendingJob", load(cellRuntime, zero()), i32(cellScratch))
	g.function("noJob", "iii", "I", "", i64(undefined))
	g.function("dropJobs", "", "", "i",
		set(0, load(cellJobs, zero())),
		forever(
			set(0, load(jobNext, get(0))),
			brIf(1, eq(get(0), load(cellJobs, zero()))),
			store(jobFunction, get(0), i32(g.noJob))),
		forever(brIf(1, eqz(execute))))
	g.function("jobs", "", "", "i",
		forever(
			when(load(cellStopped, zero()),
				when(or(ltU(i32(1), load(cellStopped, zero())), g.call("env.host_interrupt")),
					g.call("dropJobs"),
					when(eqz(load(cellReported, zero())),
						drop(g.call("JS_ThrowInternalError", ctx(), g.text("interrupted"), zero())), g.call("report")),
					br(3))),
			brIf(1, eqz(tee(0, execute))),
			when(ltS(get(0), zero()), g.call("report"))))
}

// findJobs is part of build_begin: it writes to cellJobs where the runtime has its list
// of jobs, the only place that points at the only job, twice, and traps if there is
// none.
func (g *glue) findJobs(at, job uint32) code {
	is := func(field uint32) code { return eq(load(field, get(at)), get(job)) }
	points := func(field uint32) code { return eq(load(field, get(job)), get(at)) }
	return do(
		drop(g.call("JS_EnqueueJob", ctx(), i32(g.noJob), zero(), zero())),
		set(at, load(cellRuntime, zero())),
		forever(
			set(job, load(0, get(at))),
			when(and(and(ltU(i32(engineStack), get(job)), is(jobPrevious)), eqz(eq(get(at), get(job)))),
				when(and(and(points(jobNext), points(jobPrevious)), eq(load(jobFunction, get(job)), i32(g.noJob))), br(3))),
			bump(at, 4)),
		store(cellJobs, zero(), get(at)),
		drop(g.call("JS_ExecutePendingJob", load(cellRuntime, zero()), i32(cellScratch))))
}
