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
	buf := make([]byte, answerBuffer)
	for _, family := range []byte{familyIPv4, familyIPv6} {
		if err := ls.diagnoseFamily(fd, family, buf); err != nil {
			return fmt.Errorf("socket diagnosis: %w", err)
		}
	}
	return nil
}

func (ls *listeners) diagnoseFamily(fd int, family byte, buf []byte) error {
	if err := unix.Sendto(fd, diagnosisRequest(family), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
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

// diagnosisRequest asks for the listening TCP sockets of a family: a header, then u8
// family, u8 protocol, u16, u32 states, and whose they are to be, which is anybody's.
func diagnosisRequest(family byte) []byte {
	b := make([]byte, headerBytes+requestBytes)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], kindSocket)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b[headerBytes], b[headerBytes+1] = family, protocolTCP
	binary.NativeEndian.PutUint32(b[headerBytes+4:], 1<<stateListen)
	return b
}
