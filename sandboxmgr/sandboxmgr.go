// Package sandboxmgr manages sandboxes: it creates one per (binding, id)
// however many callers race, runs commands and processes in them through their
// init, waits for readiness, dials their ports, and keeps their exposures.
//
// What a sandbox is made of is a Runtime's business (packages docker and
// process); what is remembered is a Store's (package state); what happens inside
// is done by an Init (package initlink is the edge's end of it). Nothing here
// knows an engine's id, an address or a path inside a sandbox's host folder: a
// sandbox is named by binding, id and generation.
//
// The flow of an operation: Manager.Sandbox checks the name and returns a
// handle; the handle's method finds the sandbox's unit, which has at most one
// step (start, stop, destroy, adopt) under way; the operation joins a start that
// is under way or begins one, and then goes to the init of that generation with
// a deadline that the host keeps. A step belongs to the manager, not to the
// caller that began it: callers come and go, the step ends once.
//
// A sandbox is awake while something is under way in it, a call, a stream, a
// connection (activity.go), and is stopped when nothing was for as long as its
// sleepAfter says (sleep.go). A use that comes meanwhile waits for the stop and
// starts the next generation. Wake is the door for requests from outside, which
// may or may not start one.
//
// What is recorded and what there is are compared at start, whenever a runtime
// comes back, and on a timer (reconcile.go). What a crash can leave is named by
// this edge's owner id and recorded nowhere, and is removed; nothing else is.
//
// What is recorded before what: a generation's number is on disk before its
// machine is started, so a crash never gives a number twice; a removal is on
// disk before the machine is removed, so a crash never leaves half a sandbox.
package sandboxmgr
