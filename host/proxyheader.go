package host

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

// Sizes of a PROXY protocol header (version 1: section 2.1, version 2: section 2.2
// of https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
const (
	maxProxyLine   = 107     // of version 1, CR LF included
	proxyFixed     = 16      // what each header of version 2 begins with
	maxProxyHeader = 4 << 10 // of version 2, which may say up to 64 KiB more of itself
	usualProxyRead = 256     // holds what most proxies send at once
)

// Why a connection of a trusted proxy is closed before its first request.
var (
	errNoProxyHeader   = errors.New("no PROXY protocol header")
	errLongProxyHeader = errors.New("the PROXY protocol header is too long")
)

// proxyHeader is what a PROXY protocol header says.
type proxyHeader struct {
	// client is whose connection it is. It is not valid where the header does not
	// say (UNIX, unspecified) or there is nobody but the proxy (local).
	client netip.AddrPort
	// local says that the proxy itself speaks: it looks whether this server is up.
	local bool
}

// readProxyHeader reads the header with which a connection begins, of version 1 or
// 2, however many reads that takes, and returns what was read behind it. The caller
// bounds the time; the size is bounded here.
func readProxyHeader(r io.Reader) (h proxyHeader, rest []byte, err error) {
	buf := make([]byte, 0, usualProxyRead)
	for {
		size, err := proxyHeaderSize(buf)
		switch {
		case err != nil:
			return proxyHeader{}, buf, err
		case size > 0 && size <= len(buf):
			h, err = parseProxyHeader(buf[:size])
			return h, buf[size:], err
		case max(size, len(buf)+1) > cap(buf):
			buf = append(make([]byte, 0, max(size, 2*cap(buf))), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		if buf = buf[:len(buf)+n]; n == 0 && err != nil {
			return proxyHeader{}, buf, fmt.Errorf("read the PROXY protocol header: %w", err)
		}
	}
}

// proxyHeaderSize is how long the header at the beginning of b is, 0 if that cannot
// be told yet.
func proxyHeaderSize(b []byte) (int, error) {
	switch {
	case begins(b, proxyproto.SIGV1):
		end := bytes.IndexByte(b[:min(len(b), maxProxyLine)], '\n')
		if end < 0 && len(b) >= maxProxyLine {
			return 0, errLongProxyHeader
		}
		return end + 1, nil
	case !begins(b, proxyproto.SIGV2):
		return 0, errNoProxyHeader
	case len(b) < proxyFixed:
		return 0, nil
	}
	size := proxyFixed + int(binary.BigEndian.Uint16(b[proxyFixed-2:]))
	if size > maxProxyHeader {
		return 0, errLongProxyHeader
	}
	return size, nil
}

// begins tells whether b begins with the signature, as far as it is there.
func begins(b, signature []byte) bool {
	n := min(len(b), len(signature))
	return bytes.Equal(b[:n], signature[:n])
}

// parseProxyHeader reads a whole header.
func parseProxyHeader(b []byte) (proxyHeader, error) {
	p, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(b), len(b)))
	if errors.Is(err, proxyproto.ErrUnsupportedAddressFamilyAndProtocol) {
		return proxyHeader{}, nil // a connection of which the proxy cannot say more
	}
	if err != nil {
		return proxyHeader{}, err
	}
	if p.Command.IsLocal() { // so is version 1's UNKNOWN, which is a client's connection
		return proxyHeader{local: p.Version == 2}, nil
	}
	return proxyHeader{client: addressPort(p.SourceAddr)}, nil
}

// addressPort is an IP address with its port; not valid if a is none.
func addressPort(a net.Addr) netip.AddrPort {
	var p netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		p = a.AddrPort()
	case *net.UDPAddr:
		p = a.AddrPort()
	}
	if !p.IsValid() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
