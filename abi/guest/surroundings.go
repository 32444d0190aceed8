package guest

import (
	"encoding/binary"
	"time"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// Secret returns one of the plugin's "secrets:". It is false if there is none of
// that name. A secret belongs in no log and no answer.
func Secret(name string) (value string, found bool) {
	b, errno := read(func(buf []byte) uint64 { return edge1.SecretGet(name, buf) })
	return string(b), errno == abi.OK
}

// The host's clocks.
const (
	clockUnix      = 0
	clockMonotonic = 1
)

// Now returns the host's time. In a test it is the one that guesttest.Host.Now says.
func Now() time.Time { return time.Unix(0, int64(clock(clockUnix))) }

// Monotonic returns the time since some moment, by a clock that is never set back:
// for durations.
func Monotonic() time.Duration { return time.Duration(clock(clockMonotonic)) }

func clock(id uint32) uint64 {
	var b [8]byte
	if errno, _ := abi.SplitResult(edge1.Clock(id, &b)); errno != abi.OK {
		return 0
	}
	return binary.LittleEndian.Uint64(b[:])
}

// maxRandom is what the host fills in one call, in bytes.
const maxRandom = 64 << 10

// Random fills b with cryptographic randomness.
func Random(b []byte) {
	for len(b) > 0 {
		n := min(len(b), maxRandom)
		if errno, _ := abi.SplitResult(edge1.Random(b[:n])); errno != abi.OK {
			panic("guest: the host has no randomness: " + errno.String())
		}
		b = b[n:]
	}
}
