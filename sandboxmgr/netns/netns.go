// Package netns dials TCP ports inside another network namespace without
// anything in between: the socket is made there by a thread that steps in and
// back out, and is from then on an ordinary connection of this process. Servers
// that listen on 127.0.0.1 of a sandbox without any network are reached so.
//
// Stepping in needs CAP_SYS_ADMIN in the user namespace that owns the network
// namespace and in one's own, which is to say root. It works on Linux only.
package netns

import "errors"

// Errors that Open and Dial return, wrapped. A refused connection is
// syscall.ECONNREFUSED, and a lack of privilege os.ErrPermission.
var (
	// ErrOwnNamespace: the process shares the network namespace of this one, so
	// that dialling "inside" would reach this machine's own servers.
	ErrOwnNamespace = errors.New("process has no network namespace of its own")
	// ErrClosed: the namespace was closed.
	ErrClosed = errors.New("network namespace is closed")
)
