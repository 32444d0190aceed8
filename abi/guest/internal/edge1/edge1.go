// Package edge1 is the border of a plugin module: the host's functions as
// SPEC.md lists them (import module "edge1"), and the exports the host calls.
//
// Built for wasip1 the functions are the imports themselves. Built for anything
// else they ask the Host that Bind put in place, so that a plugin's code runs in
// an ordinary Go test. Every function returns the host's result as it came;
// abi.SplitResult takes it apart.
package edge1

import "edge/abi"

// Level of a log line that says why a module cannot serve.
const levelError = 8

// Entry is what the module's exports do. Package guest sets it.
type Entry struct {
	// Init is edge_init: once per instance, an abi.Errno.
	Init func() int32
	// Request is edge_request: 0 when a decision was made, or -errno.
	Request func(req uint32) int32
	// SelfTest is edge_selftest: once per loaded version, an abi.Errno.
	SelfTest func() int32
	// Event is edge_event: an abi.Errno; Unsupported asks for no more of them.
	Event func(event uint32) int32
}

// entry is the one instance's own: a module is instantiated as a whole, and the
// exports, which are plain functions, have nowhere else to look.
var entry Entry

// SetEntry puts e in place of what was there and returns that.
func SetEntry(e Entry) (old Entry) {
	old, entry = entry, e
	return old
}

// Init runs edge_init. Without an entry it is Invalid: no handler was registered.
func Init() int32 {
	if entry.Init == nil {
		Log(0, levelError, "the plugin registered no handler: call guest.Handle from an init function", nil)
		return int32(abi.Invalid)
	}
	return entry.Init()
}

// Request runs edge_request.
func Request(req uint32) int32 {
	if entry.Request == nil {
		return -int32(abi.Invalid)
	}
	return entry.Request(req)
}

// SelfTest runs edge_selftest.
func SelfTest() int32 {
	if entry.SelfTest == nil {
		return int32(abi.OK)
	}
	return entry.SelfTest()
}

// Event runs edge_event.
func Event(event uint32) int32 {
	if entry.Event == nil {
		return int32(abi.Unsupported)
	}
	return entry.Event(event)
}
