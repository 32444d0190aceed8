package initd

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// diagnosisTimeout bounds one answer of the kernel, which comes at once.
const diagnosisTimeout = 1 // second

// answerBuffer holds the largest datagram of an answer (netlink(7)).
const answerBuffer = 16 << 10

// diagnose asks the kernel which sockets of the sandbox listen. It is a hundred times
// as cheap as the tables of /proc, for which the kernel goes through the connections
// of all network namespaces. Where it is not to be had the error is not
// temporary.
func (ls *listeners) diagnose() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("socket diagnosis: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: diagnosisTimeout}); err != nil {
		return fmt.Errorf("socket diagnosis: %w", err)
	}
	if err := ls.ask(fd, make([]byte, answerBuffer)); err != nil {
		return fmt.Errorf("socket diagnosis: %w", err)
	}
	return nil
}

func (ls *listeners) ask(fd int, buf []byte) error {
	if err := unix.Sendto(fd, diagnosisRequest(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		done, err := ls.addDiagnosed(buf[:n])
		if done || err != nil {
			return err
		}
	}
}

// diagnosisRequest asks for the listening TCP sockets: a header, then u8 family and
// three u8 more, 48 bytes that say whose they are to be, u32 states, u32. This first
// form of the request, and it alone, asks for all families at once: that is half of
// the cost, which is the walk through the kernel's table.
func diagnosisRequest() []byte {
	b := make([]byte, headerBytes+requestBytes)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], kindSocket)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b[headerBytes] = familyIPv4
	binary.NativeEndian.PutUint32(b[headerBytes+52:], 1<<stateListen)
	return b
}
