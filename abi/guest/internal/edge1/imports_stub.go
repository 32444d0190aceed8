//go:build !wasip1

package edge1

import (
	"sync"

	"edge/abi"
)

// Host is the host's side of the border, for code that runs outside a module:
// one method for each function, with the meaning SPEC.md gives it. It is as
// large as the ABI, because it is the ABI.
type Host interface {
	Feature(name string) uint64
	Log(req uint32, level int32, msg string, fields []byte) uint64
	ConfigGet(key string, buf []byte) uint64
	SecretGet(name string, buf []byte) uint64
	Clock(id uint32, buf *[8]byte) uint64
	Random(buf []byte) uint64
	Count(name string, labels []byte, value float64) uint64
	Observe(name string, labels []byte, value float64) uint64
	LastError(req uint32, buf []byte) uint64
	ResultRead(req, call, offset uint32, buf []byte) uint64
	EventRead(event uint32, buf []byte) uint64
	ReqGet(req, field uint32, buf []byte) uint64
	ReqSet(req, field uint32, value string) uint64
	ReqHeader(req uint32, name string, buf []byte) uint64
	ReqHeaders(req uint32, buf []byte) uint64
	ReqHeaderSet(req uint32, name, value string) uint64
	ReqHeaderAdd(req uint32, name, value string) uint64
	ReqHeaderDel(req uint32, name string) uint64
	ReqBodyRead(req uint32, buf []byte) uint64
	Respond(req, status uint32, headers, body []byte) uint64
	RespondBegin(req, status uint32, headers []byte) uint64
	RespondWrite(req uint32, piece []byte) uint64
	RespondEnd(req uint32) uint64
	Fail(req uint32, text []byte) uint64
	Connect(req uint32, binding, id string, port uint32, options []byte) uint64
	Proxy(req uint32, binding, id string, port uint32, options []byte) uint64
	Preview(req uint32) uint64
	Next(req uint32) uint64
	Plan(req uint32, text []byte) uint64
	KV(req, verb uint32, key string, value, options, buf []byte) uint64
	Fetch(req uint32, text, body []byte) uint64
	FetchHead(req, fetch uint32, buf []byte) uint64
	FetchRead(req, fetch uint32, buf []byte) uint64
	FetchClose(req, fetch uint32) uint64
	Op(req uint32, name string, body, buf []byte) uint64
	OpOpen(req uint32, name string, body []byte) uint64
	WSOpen(req uint32, binding, id string, port uint32, options []byte) uint64
	WSRecv(req, ws, timeoutMs uint32, buf []byte) uint64
	WSSend(req, ws, opcode uint32, data []byte) uint64
	WSClose(req, ws, code uint32, reason string) uint64
}

// bound is the host that the functions of this file ask. The lock is held for
// the whole of a Bind: like an instance, a process runs one call at a time.
var bound struct {
	sync.Mutex
	host Host
}

// Bind runs f with h as the host, and with the entry put back afterwards. Only
// one Bind runs at a time; f must not call Bind.
func Bind(h Host, f func()) {
	bound.Lock()
	defer bound.Unlock()
	old := entry
	bound.host = h
	defer func() { bound.host, entry = nil, old }()
	f()
}

// ask calls f with the bound host. Without one everything is Unsupported: a
// plugin's package may be initialised in a test before any host is there.
func ask(f func(Host) uint64) uint64 {
	if bound.host == nil {
		return abi.Result(abi.Unsupported, 0)
	}
	return f(bound.host)
}

// Feature tells whether the host has the named function of SPEC.md.
func Feature(name string) uint64 {
	return ask(func(h Host) uint64 { return h.Feature(name) })
}

// Log writes one line to the edge's log; fields is a value list, req may be 0.
func Log(req uint32, level int32, msg string, fields []byte) uint64 {
	return ask(func(h Host) uint64 { return h.Log(req, level, msg, fields) })
}

// ConfigGet reads the JSON of one configuration value.
func ConfigGet(key string, buf []byte) uint64 {
	return ask(func(h Host) uint64 { return h.ConfigGet(key, buf) })
}

// SecretGet reads the bytes of one secret.
func SecretGet(name string, buf []byte) uint64 {
	return ask(func(h Host) uint64 { return h.SecretGet(name, buf) })
}

// Clock writes the nanoseconds of a clock, a little-endian u64, to buf.
func Clock(id uint32, buf *[8]byte) uint64 {
	return ask(func(h Host) uint64 { return h.Clock(id, buf) })
}

// Random fills buf, at most 64 KiB, with randomness.
func Random(buf []byte) uint64 {
	return ask(func(h Host) uint64 { return h.Random(buf) })
}

// Count adds to a counter; labels is a value list.
func Count(name string, labels []byte, value float64) uint64 {
	return ask(func(h Host) uint64 { return h.Count(name, labels, value) })
}

// Observe adds one observation to a histogram; labels is a value list.
func Observe(name string, labels []byte, value float64) uint64 {
	return ask(func(h Host) uint64 { return h.Observe(name, labels, value) })
}

// LastError reads the JSON of the request's last error.
func LastError(req uint32, buf []byte) uint64 {
	return ask(func(h Host) uint64 { return h.LastError(req, buf) })
}

// ResultRead reads a result that was larger than the buffer offered for it.
func ResultRead(req, call, offset uint32, buf []byte) uint64 {
	return ask(func(h Host) uint64 { return h.ResultRead(req, call, offset, buf) })
}

// EventRead reads the JSON of what happened.
func EventRead(event uint32, buf []byte) uint64 {
	return ask(func(h Host) uint64 { return h.EventRead(event, buf) })
}

// ReqGet reads one field of the request (abi.FieldMethod and so on).
func ReqGet(req, field uint32, buf []byte) uint64 {
	return ask(func(h Host) uint64 { return h.ReqGet(req, field, buf) })
}

// ReqSet edits a field of the request.
func ReqSet(req, field uint32, value string) uint64 {
	return ask(func(h Host) uint64 { return h.ReqSet(req, field, value) })
}

// ReqHeader reads every value of one header, as a value list.
func ReqHeader(req uint32, name string, buf []byte) uint64 {
	return ask(func(h Host) uint64 { return h.ReqHeader(req, name, buf) })
}

// ReqHeaders reads all headers, as a header block.
func ReqHeaders(req uint32, buf []byte) uint64 {
	return ask(func(h Host) uint64 { return h.ReqHeaders(req, buf) })
}

// ReqHeaderSet replaces every value of a header by one.
func ReqHeaderSet(req uint32, name, value string) uint64 {
	return ask(func(h Host) uint64 { return h.ReqHeaderSet(req, name, value) })
}

// ReqHeaderAdd adds one value of a header.
func ReqHeaderAdd(req uint32, name, value string) uint64 {
	return ask(func(h Host) uint64 { return h.ReqHeaderAdd(req, name, value) })
}

// ReqHeaderDel removes every value of a header.
func ReqHeaderDel(req uint32, name string) uint64 {
	return ask(func(h Host) uint64 { return h.ReqHeaderDel(req, name) })
}

// ReqBodyRead reads the next piece of the body; length 0 is its end.
func ReqBodyRead(req uint32, buf []byte) uint64 {
	return ask(func(h Host) uint64 { return h.ReqBodyRead(req, buf) })
}

// Respond decides to answer; headers is a header block.
func Respond(req, status uint32, headers, body []byte) uint64 {
	return ask(func(h Host) uint64 { return h.Respond(req, status, headers, body) })
}

// RespondBegin decides to answer with a body in pieces.
func RespondBegin(req, status uint32, headers []byte) uint64 {
	return ask(func(h Host) uint64 { return h.RespondBegin(req, status, headers) })
}

// RespondWrite sends one piece of the body.
func RespondWrite(req uint32, piece []byte) uint64 {
	return ask(func(h Host) uint64 { return h.RespondWrite(req, piece) })
}

// RespondEnd ends the body.
func RespondEnd(req uint32) uint64 {
	return ask(func(h Host) uint64 { return h.RespondEnd(req) })
}

// Fail decides to answer with an error, given as its JSON.
func Fail(req uint32, text []byte) uint64 {
	return ask(func(h Host) uint64 { return h.Fail(req, text) })
}

// Connect decides to splice the client's WebSocket with a port.
func Connect(req uint32, binding, id string, port uint32, options []byte) uint64 {
	return ask(func(h Host) uint64 { return h.Connect(req, binding, id, port, options) })
}

// Proxy decides to relay the request to a port.
func Proxy(req uint32, binding, id string, port uint32, options []byte) uint64 {
	return ask(func(h Host) uint64 { return h.Proxy(req, binding, id, port, options) })
}

// Preview tells whether the request is for a preview.
func Preview(req uint32) uint64 {
	return ask(func(h Host) uint64 { return h.Preview(req) })
}

// Next leaves the request to the next plugin of the chain.
func Next(req uint32) uint64 {
	return ask(func(h Host) uint64 { return h.Next(req) })
}

// Plan decides on what the host does step by step, given as its JSON.
func Plan(req uint32, text []byte) uint64 {
	return ask(func(h Host) uint64 { return h.Plan(req, text) })
}

// KV does something with the key-value store; req may be 0.
func KV(req, verb uint32, key string, value, options, buf []byte) uint64 {
	return ask(func(h Host) uint64 { return h.KV(req, verb, key, value, options, buf) })
}

// Fetch makes an HTTP request; the low half is its handle.
func Fetch(req uint32, text, body []byte) uint64 {
	return ask(func(h Host) uint64 { return h.Fetch(req, text, body) })
}

// FetchHead reads the head of a fetch's answer.
func FetchHead(req, fetch uint32, buf []byte) uint64 {
	return ask(func(h Host) uint64 { return h.FetchHead(req, fetch, buf) })
}

// FetchRead reads the next piece of a fetch's body; length 0 is its end.
func FetchRead(req, fetch uint32, buf []byte) uint64 {
	return ask(func(h Host) uint64 { return h.FetchRead(req, fetch, buf) })
}

// FetchClose ends a fetch.
func FetchClose(req, fetch uint32) uint64 {
	return ask(func(h Host) uint64 { return h.FetchClose(req, fetch) })
}

// Op carries out one operation; body and result are JSON.
func Op(req uint32, name string, body, buf []byte) uint64 {
	return ask(func(h Host) uint64 { return h.Op(req, name, body, buf) })
}

// OpOpen begins one operation that is a stream; the low half is its handle, for
// WSRecv, WSSend and WSClose.
func OpOpen(req uint32, name string, body []byte) uint64 {
	return ask(func(h Host) uint64 { return h.OpOpen(req, name, body) })
}

// WSOpen opens a WebSocket to a port; the low half is its handle.
func WSOpen(req uint32, binding, id string, port uint32, options []byte) uint64 {
	return ask(func(h Host) uint64 { return h.WSOpen(req, binding, id, port, options) })
}

// WSRecv reads the next message: one byte opcode, then the payload.
func WSRecv(req, ws, timeoutMs uint32, buf []byte) uint64 {
	return ask(func(h Host) uint64 { return h.WSRecv(req, ws, timeoutMs, buf) })
}

// WSSend sends one message.
func WSSend(req, ws, opcode uint32, data []byte) uint64 {
	return ask(func(h Host) uint64 { return h.WSSend(req, ws, opcode, data) })
}

// WSClose starts the closing handshake.
func WSClose(req, ws, code uint32, reason string) uint64 {
	return ask(func(h Host) uint64 { return h.WSClose(req, ws, code, reason) })
}
