//go:build !linux

package testport

import "net"

// socket holds nothing: elsewhere no socket can listen beside one that is bound.
type socket struct{}

func (socket) Close() error { return nil }

func hold(host [4]byte) (socket, int, error) {
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: host[:]})
	if err != nil {
		return socket{}, 0, err
	}
	defer ln.Close()
	return socket{}, ln.Addr().(*net.TCPAddr).Port, nil
}
