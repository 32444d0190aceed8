//go:build race

package main

// raceEnabled: the race detector makes compiling a module ten times slower.
const raceEnabled = true
