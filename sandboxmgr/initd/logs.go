package initd

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"edge/abi"
)

// cursor is a place in both streams of one run of a process.
type cursor struct {
	run      uint64 // which run the offsets are of
	out, err int64
}

// String writes the cursor as clients keep it: "7.1024.0".
func (c cursor) String() string { return fmt.Sprintf("%d.%d.%d", c.run, c.out, c.err) }

// parseCursor reads a cursor. A cursor of an earlier run of the same process id
// is the beginning of this one.
func parseCursor(s string, run uint64) (cursor, error) {
	if s == "" {
		return cursor{run: run}, nil
	}
	var c cursor
	if _, err := fmt.Sscanf(s, "%d.%d.%d", &c.run, &c.out, &c.err); err != nil || c.out < 0 || c.err < 0 || c.String() != s {
		return cursor{}, abi.Errorf(abi.CodeInvalidRequest, "since %.60q is not a cursor", s).
			WithSuggestion("pass the cursor of an earlier answer, or leave it out")
	}
	if c.run != run {
		return cursor{run: run}, nil
	}
	return c, nil
}

// readLogs answers getLogs from the two rings of a run. While the process runs,
// a character that has come in part is left for the next answer.
func readLogs(run uint64, stdout, stderr *ring, req *abi.LogsRequest, running bool) (*outputAnswer, error) {
	c, err := parseCursor(req.Since, run)
	if err != nil {
		return nil, err
	}
	if req.Tail < 0 {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "tail %d is negative", req.Tail)
	}
	out, outDropped, outEnd := readStream(stdout, c.out, running)
	errs, errDropped, errEnd := readStream(stderr, c.err, running)
	return &outputAnswer{
		around: &abi.LogsResponse{Cursor: cursor{run, outEnd, errEnd}.String(), Dropped: outDropped + errDropped},
		stdout: output{lastLines(out, req.Tail)}, stderr: output{lastLines(errs, req.Tail)},
	}, nil
}

// readStream returns the bytes from offset on, how many after offset are lost,
// and where the next answer continues.
func readStream(r *ring, offset int64, running bool) (data []byte, dropped, next int64) {
	data, from, to := r.since(offset)
	if from > offset { // the cut may have gone through a character
		n := continuation(data)
		data, from = data[n:], from+int64(n)
	}
	dropped = max(0, from-offset)
	if running {
		whole := wholeRunes(data)
		to -= int64(len(data) - len(whole))
		data = whole
	}
	return data, dropped, to
}

// continuation is how many bytes p begins with that belong to a character before
// it.
func continuation(p []byte) int {
	n := 0
	for n < len(p) && n < utf8.UTFMax-1 && !utf8.RuneStart(p[n]) {
		n++
	}
	return n
}

// wholeRunes cuts a character off that p's end holds only in part.
func wholeRunes(p []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if b := p[len(p)-i]; utf8.RuneStart(b) {
			if !utf8.FullRune(p[len(p)-i:]) {
				return p[:len(p)-i]
			}
			break
		}
	}
	return p
}

// lastLines returns the last n lines of p, all for 0. A newline at the very end
// does not begin another line.
func lastLines(p []byte, n int) []byte {
	if n == 0 {
		return p
	}
	at := len(bytes.TrimSuffix(p, []byte{'\n'}))
	for range n {
		at = bytes.LastIndexByte(p[:at], '\n')
		if at < 0 {
			return p
		}
	}
	return p[at+1:]
}

// tailText is the end of a stream as an error's details show it.
func tailText(r *ring) string {
	return strings.ToValidUTF8(string(stripANSI(r.tail(stderrTail))), "\uFFFD")
}
