package initd

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"syscall"

	"edge/sandboxmgr/initproto"
)

// listener is a TCP socket that listens.
type listener struct {
	at    netip.AddrPort
	inode uint32 // by which its file descriptors are known
}

// byPort puts listeners in the order in which they are told.
func byPort(a, b listener) int {
	if a.at.Port() != b.at.Port() {
		return int(a.at.Port()) - int(b.at.Port())
	}
	return a.at.Addr().Compare(b.at.Addr())
}

// listeners gathers those of the lowest ports, whatever number there is.
type listeners []listener

func (ls *listeners) add(l listener) {
	if l.at.Port() == 0 {
		return
	}
	l.at = netip.AddrPortFrom(l.at.Addr().Unmap(), l.at.Port())
	if *ls = append(*ls, l); len(*ls) >= 4*initproto.MaxListeners {
		ls.settle()
	}
}

// settle sorts them, and leaves one for each address and port: servers share one
// by SO_REUSEPORT.
func (ls *listeners) settle() {
	slices.SortStableFunc(*ls, byPort)
	*ls = slices.CompactFunc(*ls, func(a, b listener) bool { return a.at == b.at })
	*ls = (*ls)[:min(len(*ls), initproto.MaxListeners)]
}

// The kernel's socket diagnosis (sock_diag(7)), in the machine's byte order but for
// ports. A message has a header (struct nlmsghdr, netlink(7)): u32 length, u16 kind,
// u16 flags, u32, u32.
const (
	headerBytes  = 16
	socketBytes  = 72 // struct inet_diag_msg, what follows it about one socket
	kindError    = 2  // NLMSG_ERROR
	kindDone     = 3  // NLMSG_DONE
	kindSocket   = 18 // TCPDIAG_GETSOCK
	familyIPv4   = 2  // AF_INET
	familyIPv6   = 10 // AF_INET6
	stateListen  = 10 // TCP_LISTEN
	requestBytes = 60 // struct inet_diag_req
)

var errMalformed = errors.New("malformed answer of the kernel")

// addDiagnosed adds the sockets of one datagram of an answer. done tells that it was
// the last; an error that the kernel tells is a syscall.Errno.
func (ls *listeners) addDiagnosed(b []byte) (done bool, err error) {
	for len(b) > 0 {
		if len(b) < headerBytes {
			return false, errMalformed
		}
		size, kind := int(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint16(b[4:])
		if size < headerBytes || size > len(b) {
			return false, errMalformed
		}
		body := b[headerBytes:size]
		switch kind {
		case kindDone:
			return true, nil
		case kindError:
			if len(body) < 4 {
				return false, errMalformed
			}
			return true, syscall.Errno(-int32(binary.NativeEndian.Uint32(body)))
		case kindSocket:
			if len(body) < socketBytes {
				return false, errMalformed
			}
			ls.addSocket(body)
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return false, nil
}

// addSocket adds the socket of a struct inet_diag_msg if it listens: u8 family, u8
// state, u16, be16 port, be16, 16 bytes of address, and the inode in its last four.
func (ls *listeners) addSocket(b []byte) {
	if b[1] != stateListen {
		return
	}
	var addr netip.Addr
	switch b[0] {
	case familyIPv4:
		addr = netip.AddrFrom4([4]byte(b[8:12]))
	case familyIPv6:
		addr = netip.AddrFrom16([16]byte(b[8:24]))
	default:
		return
	}
	ls.add(listener{netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[4:])), binary.NativeEndian.Uint32(b[socketBytes-4:])})
}

// Bounds of reading one of the kernel's tables. Listening sockets come first in it
// (Linux, Documentation/networking/proc_net_tcp.rst), so that what follows a long
// stretch of others is not read; other kernels have no such order.
const (
	maxTable = 16 << 20
	maxOther = 64 << 10
)

// addTables adds the listening sockets of the files that the kernel keeps for IPv4
// and IPv6. One that is missing counts as empty.
func (ls *listeners) addTables(files ...string) error {
	for _, name := range files {
		f, err := os.Open(name)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return err
		}
		err = ls.addTable(io.LimitReader(f, maxTable))
		f.Close()
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	return nil
}

// addTable adds those of one table, whose lines are
//
//	0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 ...
//
// the tenth field being the inode.
func (ls *listeners) addTable(r io.Reader) error {
	const local, state, inode = 1, 3, 9
	others := 0
	s := bufio.NewScanner(r)
	for s.Scan() && others < maxOther {
		f := bytes.Fields(s.Bytes())
		if len(f) <= inode || string(f[state]) != "0A" {
			others += len(s.Bytes())
			continue
		}
		at, ok := parseEndpoint(string(f[local]))
		number, err := strconv.ParseUint(string(f[inode]), 10, 32)
		if ok && err == nil {
			others = 0
			ls.add(listener{at, uint32(number)})
		}
	}
	return s.Err()
}

// parseEndpoint reads "0100007F:1F90": the address as words of the machine's byte
// order, and the port.
func parseEndpoint(text string) (netip.AddrPort, bool) {
	words, port, ok := bytes.Cut([]byte(text), []byte{':'})
	n, err := strconv.ParseUint(string(port), 16, 16)
	if !ok || err != nil || len(words) != 8 && len(words) != 32 {
		return netip.AddrPort{}, false
	}
	var raw []byte
	for w := range slices.Chunk(words, 8) {
		v, err := strconv.ParseUint(string(w), 16, 32)
		if err != nil {
			return netip.AddrPort{}, false
		}
		raw = binary.NativeEndian.AppendUint32(raw, uint32(v))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr, uint16(n)), ok
}

// readLimited reads the first limit bytes of a file.
func readLimited(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
