// Package abi is the contract between a plugin (a WebAssembly module), the edge
// that runs it, and everybody who calls a sandbox operation by another door.
//
// It holds what must be said in one place only: the error numbers and error
// codes with their table to HTTP status, the view of a request that a plugin
// gets, the closed set of decisions it can return, the operation table (one
// row for each verb on a sandbox), and the byte layouts that cross the border.
// SPEC.md beside this file is the same contract for somebody who writes an SDK
// in another language.
//
// The package imports only the standard library and builds for wasip1, because
// package abi/guest, the Go SDK, is made from it.
package abi
