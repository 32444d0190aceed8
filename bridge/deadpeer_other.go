//go:build !linux

package bridge

import (
	"net"
	"time"
)

// findDead has the kernel probe an idle TCP peer, so that one that is gone is
// found.
func findDead(c net.Conn, after time.Duration) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: after / 2, Interval: after / probeParts, Count: probeParts / 2})
	}
}

// untaken is not known here.
func untaken(net.Conn) int { return 0 }
