// The host's functions as abi/SPEC.md lists them. A function that a plugin does
// not reach is not imported, so that a module asks for no more than it uses.
// Texts cross as address and length in UTF-8; a result is errno << 32 | low.

// @ts-ignore: decorator
@external("edge1", "feature")
export declare function feature(name: usize, nameLen: i32): i64;
// @ts-ignore: decorator
@external("edge1", "log")
export declare function log(req: u32, level: i32, msg: usize, msgLen: i32, fields: usize, fieldsLen: i32): i64;
// @ts-ignore: decorator
@external("edge1", "config_get")
export declare function configGet(key: usize, keyLen: i32, ptr: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("edge1", "secret_get")
export declare function secretGet(name: usize, nameLen: i32, ptr: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("edge1", "clock")
export declare function clock(id: i32, ptr: usize): i64;
// @ts-ignore: decorator
@external("edge1", "random")
export declare function random(ptr: usize, len: i32): i64;
// @ts-ignore: decorator
@external("edge1", "count")
export declare function count(name: usize, nameLen: i32, labels: usize, labelsLen: i32, value: f64): i64;
// @ts-ignore: decorator
@external("edge1", "observe")
export declare function observe(name: usize, nameLen: i32, labels: usize, labelsLen: i32, value: f64): i64;
// @ts-ignore: decorator
@external("edge1", "last_error")
export declare function lastError(req: u32, ptr: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("edge1", "result_read")
export declare function resultRead(req: u32, call: u32, offset: i32, ptr: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("edge1", "event_read")
export declare function eventRead(event: u32, ptr: usize, cap: i32): i64;

// @ts-ignore: decorator
@external("edge1", "req_get")
export declare function reqGet(req: u32, field: i32, ptr: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("edge1", "req_set")
export declare function reqSet(req: u32, field: i32, value: usize, valueLen: i32): i64;
// @ts-ignore: decorator
@external("edge1", "req_header")
export declare function reqHeader(req: u32, name: usize, nameLen: i32, ptr: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("edge1", "req_headers")
export declare function reqHeaders(req: u32, ptr: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("edge1", "req_header_set")
export declare function reqHeaderSet(req: u32, name: usize, nameLen: i32, value: usize, valueLen: i32): i64;
// @ts-ignore: decorator
@external("edge1", "req_header_add")
export declare function reqHeaderAdd(req: u32, name: usize, nameLen: i32, value: usize, valueLen: i32): i64;
// @ts-ignore: decorator
@external("edge1", "req_header_del")
export declare function reqHeaderDel(req: u32, name: usize, nameLen: i32): i64;
// @ts-ignore: decorator
@external("edge1", "req_body_read")
export declare function reqBodyRead(req: u32, ptr: usize, cap: i32): i64;

// @ts-ignore: decorator
@external("edge1", "respond")
export declare function respond(req: u32, status: i32, headers: usize, headersLen: i32, body: usize, bodyLen: i32): i64;
// @ts-ignore: decorator
@external("edge1", "respond_begin")
export declare function respondBegin(req: u32, status: i32, headers: usize, headersLen: i32): i64;
// @ts-ignore: decorator
@external("edge1", "respond_write")
export declare function respondWrite(req: u32, piece: usize, pieceLen: i32): i64;
// @ts-ignore: decorator
@external("edge1", "respond_end")
export declare function respondEnd(req: u32): i64;
// @ts-ignore: decorator
@external("edge1", "fail")
export declare function fail(req: u32, error: usize, errorLen: i32): i64;
// @ts-ignore: decorator
@external("edge1", "connect")
export declare function connect(
  req: u32, binding: usize, bindingLen: i32, id: usize, idLen: i32, port: i32, options: usize, optionsLen: i32): i64;
// @ts-ignore: decorator
@external("edge1", "proxy")
export declare function proxy(
  req: u32, binding: usize, bindingLen: i32, id: usize, idLen: i32, port: i32, options: usize, optionsLen: i32): i64;
// @ts-ignore: decorator
@external("edge1", "next")
export declare function next(req: u32): i64;
// @ts-ignore: decorator
@external("edge1", "plan")
export declare function plan(req: u32, json: usize, jsonLen: i32): i64;

// @ts-ignore: decorator
@external("edge1", "op")
export declare function op(req: u32, name: usize, nameLen: i32, json: usize, jsonLen: i32, ptr: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("edge1", "op_open")
export declare function opOpen(req: u32, name: usize, nameLen: i32, json: usize, jsonLen: i32): i64;
// @ts-ignore: decorator
@external("edge1", "ws_open")
export declare function wsOpen(
  req: u32, binding: usize, bindingLen: i32, id: usize, idLen: i32, port: i32, options: usize, optionsLen: i32): i64;
// @ts-ignore: decorator
@external("edge1", "ws_recv")
export declare function wsRecv(req: u32, ws: u32, timeoutMs: i32, ptr: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("edge1", "ws_send")
export declare function wsSend(req: u32, ws: u32, opcode: i32, ptr: usize, len: i32): i64;
// @ts-ignore: decorator
@external("edge1", "ws_close")
export declare function wsClose(req: u32, ws: u32, code: i32, reason: usize, reasonLen: i32): i64;

// @ts-ignore: decorator
@external("edge1", "kv")
export declare function kv(
  req: u32, verb: i32, key: usize, keyLen: i32, value: usize, valueLen: i32, options: usize, optionsLen: i32, ptr: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("edge1", "fetch")
export declare function fetch(req: u32, json: usize, jsonLen: i32, body: usize, bodyLen: i32): i64;
// @ts-ignore: decorator
@external("edge1", "fetch_head")
export declare function fetchHead(req: u32, fetch: u32, ptr: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("edge1", "fetch_read")
export declare function fetchRead(req: u32, fetch: u32, ptr: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("edge1", "fetch_close")
export declare function fetchClose(req: u32, fetch: u32): i64;
