//go:build !linux

package bridge

import (
	"net"
	"time"
)

// engines are all engines that this system has, each as it may be used.
func engines() []engineCase { return portableEngines() }

// endID names a connection of this process.
type endID = net.Conn

func idOf(c net.Conn) endID { return c }

// stillOpen counts those that are not closed.
func stillOpen(ids []endID) int {
	n := 0
	for _, c := range ids {
		if c.SetReadDeadline(time.Time{}) == nil {
			n++
		}
	}
	return n
}

// runChild is for a process of its own, which needs no other system.
func runChild() bool { return false }
