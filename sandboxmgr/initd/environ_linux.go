package initd

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// hideToken overwrites the token in the environment that this process was started
// with, which /proc/self/environ shows for the process's whole life: to nobody
// else (guard sees to that), but readFile is done by this process itself.
func hideToken(token string) error {
	start, end, err := environBlock()
	if err != nil {
		return err
	}
	mem, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer mem.Close()
	block := make([]byte, end-start)
	if _, err := mem.ReadAt(block, start); err != nil {
		return err
	}
	for at := 0; ; {
		i := bytes.Index(block[at:], []byte(token))
		if i < 0 {
			return nil
		}
		at += i
		if _, err := mem.WriteAt(bytes.Repeat([]byte{'-'}, len(token)), start+int64(at)); err != nil {
			return err
		}
		at += len(token)
	}
}

// environBlock tells where in memory this process's environment lies.
func environBlock() (start, end int64, err error) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, 0, err
	}
	// Fields 50 and 51 of proc_pid_stat(5); the third follows the name in
	// parentheses, which may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const first, envStart, envEnd = 3, 50, 51
	if len(fields) <= envEnd-first {
		return 0, 0, fmt.Errorf("/proc/self/stat has %d fields", len(fields)+first-1)
	}
	if start, err = strconv.ParseInt(fields[envStart-first], 10, 64); err != nil {
		return 0, 0, err
	}
	if end, err = strconv.ParseInt(fields[envEnd-first], 10, 64); err != nil {
		return 0, 0, err
	}
	if end < start || end-start > maxEnvironment {
		return 0, 0, fmt.Errorf("an environment of %d bytes", end-start)
	}
	return start, end, nil
}

// maxEnvironment is more than Linux lets an environment be: a quarter of the
// stack's 8 MiB, arguments included.
const maxEnvironment = 8 << 20
