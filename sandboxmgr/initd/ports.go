package initd

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"slices"
	"strconv"

	"edge/sandboxmgr/initproto"
)

// maxTable bounds how much of one of the kernel's tables is read.
const maxTable = 16 << 20

// listeningPorts reads which TCP ports something listens on, from the files
// that the kernel keeps for IPv4 and IPv6. One that is missing counts as empty.
func listeningPorts(files ...string) (*initproto.PortList, error) {
	ports := []int{}
	for _, name := range files {
		b, err := readLimited(name, maxTable)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ports = appendListening(ports, b)
	}
	slices.Sort(ports)
	return &initproto.PortList{Ports: slices.Compact(ports)}, nil
}

// appendListening adds the ports in state LISTEN of one table, whose lines are
//
//	0: 0100007F:1F90 00000000:0000 0A ...
func appendListening(ports []int, table []byte) []int {
	const stateListen = "0A"
	for s := bufio.NewScanner(bytes.NewReader(table)); s.Scan(); {
		f := bytes.Fields(s.Bytes())
		if len(f) < 4 || string(f[3]) != stateListen {
			continue
		}
		_, hex, ok := bytes.Cut(f[1], []byte{':'})
		if n, err := strconv.ParseUint(string(hex), 16, 16); ok && err == nil {
			ports = append(ports, int(n))
		}
	}
	return ports
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
