package initrelay

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// initPID is the process whose connections are carried: nobody else in the
// sandbox has anything to say to the edge.
const initPID = 1

// Main is a relay between the Unix socket and standard input and output, which
// are the engine's exec stream. It returns the exit code once the edge has gone.
func Main(socket string) int {
	// Nobody traces what passes here; where that cannot be had, the init's token
	// is not the only lock.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	io, err := openStandard()
	if err == nil {
		err = Serve(context.Background(), io, socket, initPID)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "edge init: relay: %v\n", err)
		return 1
	}
	return 0
}

// standard is standard input and output as one stream.
type standard struct{ in, out *os.File }

// openStandard makes them files whose closing ends a read or a write that waits.
func openStandard() (standard, error) {
	for _, fd := range []int{0, 1} {
		if err := unix.SetNonblock(fd, true); err != nil {
			return standard{}, fmt.Errorf("standard stream %d: %w", fd, err)
		}
	}
	return standard{in: os.NewFile(0, "stdin"), out: os.NewFile(1, "stdout")}, nil
}

func (s standard) Read(b []byte) (int, error)  { return s.in.Read(b) }
func (s standard) Write(b []byte) (int, error) { return s.out.Write(b) }
func (s standard) Close() error                { return errors.Join(s.out.Close(), s.in.Close()) }
