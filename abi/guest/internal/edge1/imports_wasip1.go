package edge1

import "unsafe"

// The host copies what it needs during the call and keeps no pointer, and while
// it runs no Go code of this instance does: hence noescape, and no pinning. A
// slice crosses as the address of its first byte and its length; an empty one
// may have any address, because the host never follows it.

func address(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

func size(b []byte) uint32 { return uint32(len(b)) }

// Feature tells whether the host has the named function of SPEC.md.
//
//go:wasmimport edge1 feature
//go:noescape
func Feature(name string) uint64

//go:wasmimport edge1 log
//go:noescape
func log(req uint32, level int32, msg string, fields unsafe.Pointer, fieldsLen uint32) uint64

// Log writes one line to the edge's log; fields is a value list, req may be 0.
func Log(req uint32, level int32, msg string, fields []byte) uint64 {
	return log(req, level, msg, address(fields), size(fields))
}

//go:wasmimport edge1 config_get
//go:noescape
func configGet(key string, buf unsafe.Pointer, bufLen uint32) uint64

// ConfigGet reads the JSON of one configuration value.
func ConfigGet(key string, buf []byte) uint64 {
	return configGet(key, address(buf), size(buf))
}

//go:wasmimport edge1 secret_get
//go:noescape
func secretGet(name string, buf unsafe.Pointer, bufLen uint32) uint64

// SecretGet reads the bytes of one secret.
func SecretGet(name string, buf []byte) uint64 {
	return secretGet(name, address(buf), size(buf))
}

//go:wasmimport edge1 clock
//go:noescape
func clock(id uint32, buf unsafe.Pointer) uint64

// Clock writes the nanoseconds of a clock, a little-endian u64, to buf.
func Clock(id uint32, buf *[8]byte) uint64 { return clock(id, unsafe.Pointer(buf)) }

//go:wasmimport edge1 random
//go:noescape
func random(buf unsafe.Pointer, bufLen uint32) uint64

// Random fills buf, at most 64 KiB, with randomness.
func Random(buf []byte) uint64 { return random(address(buf), size(buf)) }

//go:wasmimport edge1 count
//go:noescape
func count(name string, labels unsafe.Pointer, labelsLen uint32, value float64) uint64

// Count adds to a counter; labels is a value list.
func Count(name string, labels []byte, value float64) uint64 {
	return count(name, address(labels), size(labels), value)
}

//go:wasmimport edge1 observe
//go:noescape
func observe(name string, labels unsafe.Pointer, labelsLen uint32, value float64) uint64

// Observe adds one observation to a histogram; labels is a value list.
func Observe(name string, labels []byte, value float64) uint64 {
	return observe(name, address(labels), size(labels), value)
}

//go:wasmimport edge1 last_error
//go:noescape
func lastError(req uint32, buf unsafe.Pointer, bufLen uint32) uint64

// LastError reads the JSON of the request's last error.
func LastError(req uint32, buf []byte) uint64 {
	return lastError(req, address(buf), size(buf))
}

//go:wasmimport edge1 result_read
//go:noescape
func resultRead(req uint32, call uint32, offset uint32, buf unsafe.Pointer, bufLen uint32) uint64

// ResultRead reads a result that was larger than the buffer offered for it.
func ResultRead(req, call, offset uint32, buf []byte) uint64 {
	return resultRead(req, call, offset, address(buf), size(buf))
}

//go:wasmimport edge1 event_read
//go:noescape
func eventRead(event uint32, buf unsafe.Pointer, bufLen uint32) uint64

// EventRead reads the JSON of what happened.
func EventRead(event uint32, buf []byte) uint64 {
	return eventRead(event, address(buf), size(buf))
}

//go:wasmimport edge1 req_get
//go:noescape
func reqGet(req uint32, field uint32, buf unsafe.Pointer, bufLen uint32) uint64

// ReqGet reads one field of the request (abi.FieldMethod and so on).
func ReqGet(req, field uint32, buf []byte) uint64 {
	return reqGet(req, field, address(buf), size(buf))
}

// ReqSet edits a field of the request.
//
//go:wasmimport edge1 req_set
//go:noescape
func ReqSet(req, field uint32, value string) uint64

//go:wasmimport edge1 req_header
//go:noescape
func reqHeader(req uint32, name string, buf unsafe.Pointer, bufLen uint32) uint64

// ReqHeader reads every value of one header, as a value list.
func ReqHeader(req uint32, name string, buf []byte) uint64 {
	return reqHeader(req, name, address(buf), size(buf))
}

//go:wasmimport edge1 req_headers
//go:noescape
func reqHeaders(req uint32, buf unsafe.Pointer, bufLen uint32) uint64

// ReqHeaders reads all headers, as a header block.
func ReqHeaders(req uint32, buf []byte) uint64 {
	return reqHeaders(req, address(buf), size(buf))
}

// ReqHeaderSet replaces every value of a header by one.
//
//go:wasmimport edge1 req_header_set
//go:noescape
func ReqHeaderSet(req uint32, name, value string) uint64

// ReqHeaderAdd adds one value of a header.
//
//go:wasmimport edge1 req_header_add
//go:noescape
func ReqHeaderAdd(req uint32, name, value string) uint64

// ReqHeaderDel removes every value of a header.
//
//go:wasmimport edge1 req_header_del
//go:noescape
func ReqHeaderDel(req uint32, name string) uint64

//go:wasmimport edge1 req_body_read
//go:noescape
func reqBodyRead(req uint32, buf unsafe.Pointer, bufLen uint32) uint64

// ReqBodyRead reads the next piece of the body; length 0 is its end.
func ReqBodyRead(req uint32, buf []byte) uint64 {
	return reqBodyRead(req, address(buf), size(buf))
}

//go:wasmimport edge1 respond
//go:noescape
func respond(req uint32, status uint32, headers unsafe.Pointer, headersLen uint32, body unsafe.Pointer, bodyLen uint32) uint64

// Respond decides to answer; headers is a header block.
func Respond(req, status uint32, headers, body []byte) uint64 {
	return respond(req, status, address(headers), size(headers), address(body), size(body))
}

//go:wasmimport edge1 respond_begin
//go:noescape
func respondBegin(req uint32, status uint32, headers unsafe.Pointer, headersLen uint32) uint64

// RespondBegin decides to answer with a body in pieces.
func RespondBegin(req, status uint32, headers []byte) uint64 {
	return respondBegin(req, status, address(headers), size(headers))
}

//go:wasmimport edge1 respond_write
//go:noescape
func respondWrite(req uint32, piece unsafe.Pointer, pieceLen uint32) uint64

// RespondWrite sends one piece of the body.
func RespondWrite(req uint32, piece []byte) uint64 {
	return respondWrite(req, address(piece), size(piece))
}

// RespondEnd ends the body.
//
//go:wasmimport edge1 respond_end
//go:noescape
func RespondEnd(req uint32) uint64

//go:wasmimport edge1 fail
//go:noescape
func fail(req uint32, text unsafe.Pointer, textLen uint32) uint64

// Fail decides to answer with an error, given as its JSON.
func Fail(req uint32, text []byte) uint64 {
	return fail(req, address(text), size(text))
}

//go:wasmimport edge1 connect
//go:noescape
func connect(req uint32, binding string, id string, port uint32, options unsafe.Pointer, optionsLen uint32) uint64

// Connect decides to splice the client's WebSocket with a port.
func Connect(req uint32, binding, id string, port uint32, options []byte) uint64 {
	return connect(req, binding, id, port, address(options), size(options))
}

//go:wasmimport edge1 proxy
//go:noescape
func proxy(req uint32, binding string, id string, port uint32, options unsafe.Pointer, optionsLen uint32) uint64

// Proxy decides to relay the request to a port.
func Proxy(req uint32, binding, id string, port uint32, options []byte) uint64 {
	return proxy(req, binding, id, port, address(options), size(options))
}

// Preview tells whether the request is for a preview.
//
//go:wasmimport edge1 preview
//go:noescape
func Preview(req uint32) uint64

// Next leaves the request to the next plugin of the chain.
//
//go:wasmimport edge1 next
//go:noescape
func Next(req uint32) uint64

//go:wasmimport edge1 plan
//go:noescape
func plan(req uint32, text unsafe.Pointer, textLen uint32) uint64

// Plan decides on what the host does step by step, given as its JSON.
func Plan(req uint32, text []byte) uint64 {
	return plan(req, address(text), size(text))
}

//go:wasmimport edge1 kv
//go:noescape
func kv(req uint32, verb uint32, key string, value unsafe.Pointer, valueLen uint32, options unsafe.Pointer, optionsLen uint32, buf unsafe.Pointer, bufLen uint32) uint64

// KV does something with the key-value store; req may be 0.
func KV(req, verb uint32, key string, value, options, buf []byte) uint64 {
	return kv(req, verb, key, address(value), size(value), address(options), size(options), address(buf), size(buf))
}

//go:wasmimport edge1 fetch
//go:noescape
func fetch(req uint32, text unsafe.Pointer, textLen uint32, body unsafe.Pointer, bodyLen uint32) uint64

// Fetch makes an HTTP request; the low half is its handle.
func Fetch(req uint32, text, body []byte) uint64 {
	return fetch(req, address(text), size(text), address(body), size(body))
}

//go:wasmimport edge1 fetch_head
//go:noescape
func fetchHead(req uint32, fetch uint32, buf unsafe.Pointer, bufLen uint32) uint64

// FetchHead reads the head of a fetch's answer.
func FetchHead(req, fetch uint32, buf []byte) uint64 {
	return fetchHead(req, fetch, address(buf), size(buf))
}

//go:wasmimport edge1 fetch_read
//go:noescape
func fetchRead(req uint32, fetch uint32, buf unsafe.Pointer, bufLen uint32) uint64

// FetchRead reads the next piece of a fetch's body; length 0 is its end.
func FetchRead(req, fetch uint32, buf []byte) uint64 {
	return fetchRead(req, fetch, address(buf), size(buf))
}

// FetchClose ends a fetch.
//
//go:wasmimport edge1 fetch_close
//go:noescape
func FetchClose(req, fetch uint32) uint64

//go:wasmimport edge1 op
//go:noescape
func op(req uint32, name string, body unsafe.Pointer, bodyLen uint32, buf unsafe.Pointer, bufLen uint32) uint64

// Op carries out one operation; body and result are JSON.
func Op(req uint32, name string, body, buf []byte) uint64 {
	return op(req, name, address(body), size(body), address(buf), size(buf))
}

//go:wasmimport edge1 op_open
//go:noescape
func opOpen(req uint32, name string, body unsafe.Pointer, bodyLen uint32) uint64

// OpOpen begins one operation that is a stream; the low half is its handle, for
// WSRecv, WSSend and WSClose.
func OpOpen(req uint32, name string, body []byte) uint64 {
	return opOpen(req, name, address(body), size(body))
}

//go:wasmimport edge1 ws_open
//go:noescape
func wsOpen(req uint32, binding string, id string, port uint32, options unsafe.Pointer, optionsLen uint32) uint64

// WSOpen opens a WebSocket to a port; the low half is its handle.
func WSOpen(req uint32, binding, id string, port uint32, options []byte) uint64 {
	return wsOpen(req, binding, id, port, address(options), size(options))
}

//go:wasmimport edge1 ws_recv
//go:noescape
func wsRecv(req uint32, ws uint32, timeoutMs uint32, buf unsafe.Pointer, bufLen uint32) uint64

// WSRecv reads the next message: one byte opcode, then the payload.
func WSRecv(req, ws, timeoutMs uint32, buf []byte) uint64 {
	return wsRecv(req, ws, timeoutMs, address(buf), size(buf))
}

//go:wasmimport edge1 ws_send
//go:noescape
func wsSend(req uint32, ws uint32, opcode uint32, data unsafe.Pointer, dataLen uint32) uint64

// WSSend sends one message.
func WSSend(req, ws, opcode uint32, data []byte) uint64 {
	return wsSend(req, ws, opcode, address(data), size(data))
}

// WSClose starts the closing handshake.
//
//go:wasmimport edge1 ws_close
//go:noescape
func WSClose(req, ws, code uint32, reason string) uint64
