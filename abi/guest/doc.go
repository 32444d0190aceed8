// Package guest is the Go SDK for edge plugins: WebAssembly modules that decide,
// for each request, whether to answer it, to start something in a sandbox, or to
// send it to a port of one. It is for people who write plugins; package abi is
// the contract it speaks.
//
// A whole plugin:
//
//	package main
//
//	import "edge/abi/guest"
//
//	func init() { guest.Handle(decide) }
//
//	func main() {}
//
//	func decide(req *guest.Request) (guest.Response, error) {
//		sandbox := guest.GetSandbox("Sandbox", "my-sandbox")
//		return sandbox.WSConnect(req, 8080)
//	}
//
// built with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o plugin.wasm .
//
// Handle is called from an init function because such a module is a library: the
// host runs package initialisation once per instance and then the exports; main
// is linked and never run.
//
// # Flow
//
// The host calls the handler with a Request, which reads through to the host
// piece by piece: what the handler does not ask for is never copied. Operations
// (Sandbox.Exec and so on) block until the host has carried them out. The
// Response is a value; what it stands for happens after the handler returned,
// with no instance held, so a dial that fails later is answered by the host.
//
// An instance handles one request at a time, and instances are reused: package
// variables are caches that a later request may find, and that another instance
// does not see. A Request, a Sandbox, a Process and a WebSocket end with the call
// they belong to, and so must every goroutine that the handler started.
//
// # Surroundings
//
// Besides sandboxes a plugin reaches what its configuration gives it: values
// (Config), secrets (Secret), a key-value store (KV), hosts elsewhere (Fetch),
// metrics (Count, Observe), a log (Log), clocks (Now) and randomness (Random). What
// it does not use is not in its module.
//
// Some functions of SPEC.md are for asynchronous modules and for SDKs that bring an
// interpreter, and not here: timers, held requests and calls of request 0 (a handler
// that returned is done), environment and budget, and digest (crypto/sha256 is as good).
//
// # Errors
//
// Every error of the host is an *Error; it is a handler's answer to return it. A
// handler's error becomes the client's answer like this:
//
//   - an *Error, also wrapped: the host answers it as one of its own, by its
//     status in the error table, with JSON for programs and a page for browsers.
//     Its own text goes out; the text around it is for the log, which tells of
//     statuses from 500 on.
//   - anything else, and an Error whose code is not in the table: 500
//     PLUGIN_FAILED with a fixed text; the error's text goes to the log alone.
//   - a panic: the same, and the instance is thrown away, because a panic may
//     have left its variables half changed.
//   - an error of a Stream after its first byte: the connection breaks off, so
//     that half an answer is never taken for a whole one.
//
// # Tests
//
// Built for anything but wasip1 the package compiles against stubs, and package
// guesttest plays the host: a plugin is tested with go test, no module built.
package guest
