package plugins

import (
	"context"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero/api"

	"edge/abi"
)

// hostFunction is one function that a guest can import. It runs in the
// instance's loop. a holds the arguments as wazero passes them: an i32 is the
// low half of its slot.
type hostFunction struct {
	name    string
	params  []api.ValueType
	results []api.ValueType
	call    func(in *instance, a []uint64) uint64
}

// row makes one function of edge1: n parameters, all i32, and an i64 result.
func row(name string, n int, call func(in *instance, a []uint64) uint64) hostFunction {
	return hostFunction{name, i32s(n), []api.ValueType{api.ValueTypeI64}, call}
}

// edgeFunctions is the table of SPEC.md, sections 3 to 7.
func edgeFunctions() []hostFunction {
	return []hostFunction{
		row("feature", 2, feature),
		row("log", 6, logLine),
		row("config_get", 4, configGet),
		row("secret_get", 4, secretGet),
		row("environment", 2, environment),
		row("digest", 7, digest),
		row("clock", 2, clockRead),
		row("random", 2, randomFill),
		metricRow("count", count),
		metricRow("observe", observe),
		row("last_error", 3, lastError),
		row("result_read", 5, resultRead),
		row("event_read", 3, eventRead),

		row("req_get", 4, reqGet),
		row("req_set", 4, reqSet),
		row("req_header", 5, reqHeader),
		row("req_headers", 3, reqHeaders),
		row("req_header_set", 5, reqHeaderSet),
		row("req_header_add", 5, reqHeaderAdd),
		row("req_header_del", 3, reqHeaderDel),
		row("req_body_read", 3, reqBodyRead),
		row("preview", 1, preview),
		row("budget", 1, budget),
		row("hold", 1, hold),
		row("let_go", 1, letGo),

		row("respond", 6, respond),
		row("respond_begin", 4, respondBegin),
		row("respond_write", 3, respondWrite),
		row("respond_end", 1, respondEnd),
		row("fail", 3, fail),
		row("connect", 8, connect),
		row("proxy", 8, proxy),
		row("next", 1, next),
		row("plan", 3, plan),

		row("op", 7, op),
		row("op_open", 5, opOpen),
		row("ws_open", 8, wsOpen),
		row("ws_recv", 5, wsRecv),
		row("ws_send", 5, wsSend),
		row("ws_close", 5, wsClose),
		row("ws_head", 4, wsHead),
		row("kv", 10, kv),
		row("fetch", 5, fetch),
		row("fetch_head", 4, fetchHeadRead),
		row("fetch_read", 4, fetchRead),
		row("fetch_close", 2, fetchClose),

		row("op_start", 5, opStart),
		row("op_open_start", 5, opOpenStart),
		row("req_body_read_start", 2, reqBodyReadStart),
		row("respond_write_start", 3, respondWriteStart),
		row("ws_open_start", 8, wsOpenStart),
		row("ws_url_start", 5, wsURLStart),
		row("ws_recv_start", 3, wsRecvStart),
		row("ws_send_start", 5, wsSendStart),
		row("kv_start", 8, kvStart),
		row("fetch_start", 5, fetchStart),
		row("fetch_read_start", 3, fetchReadStart),
		row("timer_start", 2, timerStart),
		row("timer_stop", 2, timerStop),
	}
}

// knownFunctions is what verify allows: "module.name" to signature.
func knownFunctions() map[string]signature {
	known := map[string]signature{}
	for _, f := range edgeFunctions() {
		known[hostModule+"."+f.name] = signature{f.params, f.results}
	}
	for _, f := range wasiFunctions() {
		known[wasiModule+"."+f.name] = signature{f.params, f.results}
	}
	return known
}

// buildHost puts the functions that the module imports, and no others, into its
// program's runtime, which may be another generation's, too.
func (g *generation) buildHost(ctx context.Context) error {
	return g.program.host(func() error { return g.hostFunctions(ctx) })
}

func (g *generation) hostFunctions(ctx context.Context) error {
	wanted := map[string]bool{}
	for _, def := range imported(g.program.code) {
		module, name, _ := def.Import()
		wanted[module+"."+name] = true
	}
	if err := g.program.hostMeter(ctx, refuel); err != nil {
		return err
	}
	for module, functions := range map[string][]hostFunction{hostModule: edgeFunctions(), wasiModule: wasiFunctions()} {
		b := g.program.runtime.NewHostModuleBuilder(module)
		for _, f := range functions {
			if wanted[module+"."+f.name] {
				b.NewFunctionBuilder().WithGoModuleFunction(f.bind(), f.params, f.results).Export(f.name)
			}
		}
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("host module %s: %w", module, err)
		}
	}
	return nil
}

// bind makes the function wazero calls. The context is always the instance's
// lifeline: wazero hands on what the guest was entered with.
func (f hostFunction) bind() api.GoModuleFunc {
	call, answers := f.call, len(f.results) > 0
	if needsGrant(f.name) != nil {
		call = f.granted
	}
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		in := ctx.(*lifeline).in
		if in.mem == nil {
			in.mem = mod.Memory() // a start function runs before the instance is known
		}
		in.toil(callWork)
		r := call(in, stack)
		if answers {
			stack[0] = r
		}
	}
}

// granted is f for an instance whose generation may have been loaded without the grant
// (manifest.Optional): it is DENIED then.
func (f hostFunction) granted(in *instance, a []uint64) uint64 {
	e := in.gen.denied[f.name]
	if e == nil {
		return f.call(in, a)
	}
	in.gen.complain(notGranted, e)
	if f.name != "secret_get" { // whose first argument is no request
		if x := in.caller(a[0]); x != nil {
			return x.fail(e)
		}
	}
	return answer(abi.Denied)
}

// toil counts what a host function does for the guest, in bytes, and looks at the
// guest's time when it was much. It traps a guest that is to be stopped.
func (in *instance) toil(bytes int) {
	if in.worked += uint64(bytes); in.worked >= workEvery {
		in.worked = 0
		in.share(time.Now())
	}
}

// bytes is a view of the guest's memory, valid until the guest runs on. Outside
// memory it traps.
func (in *instance) bytes(ptr, n uint64) []byte {
	if uint32(n) == 0 {
		return nil // some languages point an empty slice at nothing
	}
	in.worked += uint64(uint32(n))
	b, ok := in.mem.Read(uint32(ptr), uint32(n))
	if !ok {
		panic(errFault)
	}
	return b
}

// text is a copy of a string in the guest's memory.
func (in *instance) text(ptr, n uint64) string { return string(in.bytes(ptr, n)) }

// reply writes a result where the guest wants it, or keeps it for result_read if
// it does not fit, and returns its length. data need not outlive the call.
func reply(keep *[]byte, out, data []byte) uint64 {
	if len(data) <= len(out) {
		copy(out, data)
	} else {
		*keep = append([]byte(nil), data...)
	}
	return abi.Result(abi.OK, uint32(len(data)))
}

// answer is a result without a value.
func answer(e abi.Errno) uint64 { return abi.Result(e, 0) }

// refuse notes an error for last_error and returns its number.
func (x *exchange) refuse(code abi.Code, format string, args ...any) uint64 {
	return x.fail(abi.Errorf(code, format, args...))
}

// fail is refuse for an error there is already.
func (x *exchange) fail(e *abi.Error) uint64 {
	x.lastErr = e
	return answer(e.Code.Errno())
}
