// Package sandboxmgr manages sandboxes: it creates one per (binding, id)
// however many callers race, runs commands and processes in them through their
// init, waits for readiness, dials their ports, and keeps their exposures.
//
// What a sandbox is made of is a Runtime's business (packages docker and
// process); what is remembered is a Store's (package state). Nothing here knows
// an engine's id, an address or a path inside a sandbox's host folder: a sandbox
// is named by binding, id and generation.
package sandboxmgr
