//go:build !linux

package admin

import (
	"errors"
	"net"
)

// errNoPeers is why a socket's peer cannot be known on this system.
var errNoPeers = errors.New("the admin socket needs Linux, which names a socket's peer; use the TCP address with its token")

var errNotUnix = errNoPeers

func peerUID(*net.UnixConn) (int, error) { return 0, errNoPeers }
