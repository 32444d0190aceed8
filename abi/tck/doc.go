//go:build !wasip1

// Package tck is the conformance kit of the plugin ABI (abi/SPEC.md): cases that
// say what a guest does, what the host's services answer, and what must come of
// it. It is for whoever writes another host, or an SDK in another language.
//
// There are two kinds. A GuestCase is carried out by a guest program that an SDK
// made: guests/LANGUAGE decides the request /case/NAME, in each language in its own
// words, and every language must come to the same verdict by the same calls. A
// RawCase lists calls of the ABI one by one, with what each must answer; its module
// is written by hand, because no SDK makes a bad pointer.
//
// The cases are data (guest.json and raw.json); this package reads them, plays the
// services (Script), and compares (Differences). README.md describes the format.
// The edge itself is driven in package plugins' TestConformance.
package tck
