package bridge

import (
	"net"
	"time"
)

// LingerWait is how long a client may usefully go on sending after it was answered.
const LingerWait = time.Second

// How long Linger waits for a client to take its answer, as multiples of wait.
const (
	lingerIdle  = 5  // while something waits for it and nothing is taken
	lingerLimit = 30 // in all
)

// Linger ends the connection of a client that was answered before all of its request
// was read: it says that nothing more comes, then reads and drops what the client
// still sends. To close on bytes that nobody read resets a connection, which takes
// the answer away from who has not read it (RFC 9112, section 9.6). It returns when the
// client has ended its half too, when wait has passed since the client took all of the
// answer, or 5 times wait since it took any of it, and after 30 times wait in any case.
// Where the kernel does not tell what was taken, all is held to be. c is what is beneath
// those who look at the bytes; the caller closes it, which from another goroutine ends
// Linger.
func Linger(c net.Conn, wait time.Duration) {
	h, ok := c.(interface{ CloseWrite() error })
	if !ok || h.CloseWrite() != nil {
		return
	}
	begun := time.Now()
	taken := begun // when something was, while anything waits
	left := untaken(c)
	buf := make([]byte, 16<<10)
	for now := begun; now.Sub(begun) < lingerLimit*wait; now = time.Now() {
		n := untaken(c)
		if n < left {
			left, taken = n, now
		}
		if idle := now.Sub(taken); n == 0 && idle >= wait || idle >= lingerIdle*wait {
			return
		}
		if c.SetReadDeadline(now.Add(wait/4)) != nil {
			return
		}
		if _, err := c.Read(buf); err != nil && !isTimeout(err) {
			return
		}
	}
}
