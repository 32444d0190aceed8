//go:build !race

package initlink

// raceEnabled: under the race detector every byte that is moved costs more.
const raceEnabled = false
