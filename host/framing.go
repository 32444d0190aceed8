package host

import (
	"bytes"
	"errors"
	"strings"

	"edge/abi"
)

// errFraming is wrapped by what a connection's Read returns after bytes that
// break the framing rules of HTTP/1.1.
var errFraming = errors.New("malformed request framing")

// phase is what the next byte of a connection belongs to.
type phase uint8

const (
	phaseStart   phase = iota // before a request line
	phaseLine                 // the request line
	phaseHeader               // a header line
	phaseBody                 // left bytes of body or chunk
	phaseSize                 // a chunk's size line
	phaseChunkCR              // CR LF after a chunk's data
	phaseTrailer              // a trailer line
	phaseTunnel               // no HTTP any more
)

// framing follows the stream of one connection byte for byte, to see what
// fasthttp does not show: empty lines before a request line, lines that end in a
// bare LF, chunk sizes with something odd in them. It changes nothing; it only
// says how far the bytes are good. It must find the same ends of messages as the
// gate does, so it takes the same rules, and it stops being HTTP with a head that
// has an Upgrade header (the connection ends with that request, bridged or not).
type framing struct {
	phase   phase
	chunked bool   // of the head being read
	upgrade bool   // likewise
	left    int64  // of the body or chunk
	line    []byte // the current line as far as it was split over reads
	err     error  // sticks
}

// maxFrameLine bounds a chunk's size line and a trailer line; head lines are
// bounded by fasthttp's buffer.
const maxFrameLine = 8 << 10

// scan looks at the next bytes read and returns how many of them are good. A
// violation sticks: it is reported at once when nothing good precedes it in the
// message, else with the next call.
func (f *framing) scan(p []byte) (good int, err error) {
	for good < len(p) {
		n, err := f.scanMessage(p[good:])
		if good += n; err != nil || n == 0 {
			return good, err
		}
	}
	return good, nil
}

// scanMessage is scan that goes no further than the message under way, nor than the
// head behind which it is no HTTP any more.
func (f *framing) scanMessage(p []byte) (good int, err error) {
	for i := 0; i < len(p); {
		switch f.phase {
		case phaseTunnel:
			return len(p), nil
		case phaseBody:
			n := min(f.left, int64(len(p)-i))
			i += int(n)
			if f.left -= n; f.left == 0 {
				f.bodyRead()
			}
		default:
			end := bytes.IndexByte(p[i:], '\n')
			if end < 0 {
				if f.fail(f.keep(p[i:])) {
					return good, f.err
				}
				return len(p), nil
			}
			if f.fail(f.takeLine(p[i : i+end+1])) {
				return good, f.err
			}
			i += end + 1
		}
		switch f.phase {
		case phaseStart, phaseTunnel:
			return i, nil
		case phaseBody:
			good = i
		}
	}
	return len(p), nil
}

// fail makes a problem stick.
func (f *framing) fail(problem string) bool {
	if problem == "" {
		return false
	}
	f.err = &framingError{problem}
	return true
}

// framingError says what was wrong, for the answer to the client.
type framingError struct{ problem string }

func (e *framingError) Error() string { return e.problem }
func (e *framingError) Unwrap() error { return errFraming }

// keep stores the beginning of a line that the next read will go on with.
func (f *framing) keep(part []byte) string {
	if f.phase == phaseStart {
		f.phase = phaseLine
	}
	if (f.phase == phaseSize || f.phase == phaseTrailer) && len(f.line)+len(part) > maxFrameLine {
		return "a chunk's size line or a trailer is too long"
	}
	f.line = append(f.line, part...)
	return ""
}

// takeLine goes on with a whole line, LF included.
func (f *framing) takeLine(line []byte) string {
	if len(f.line) > 0 {
		f.line = append(f.line, line...)
		line = f.line
	}
	n := len(line) - 2
	if n < 0 || line[n] != '\r' {
		return "a line does not end in CR LF"
	}
	problem := f.readLine(line[:n])
	f.line = f.line[:0]
	return problem
}

func (f *framing) readLine(line []byte) string {
	switch f.phase {
	case phaseStart, phaseLine:
		if len(line) == 0 {
			return "an empty line precedes the request line"
		}
		f.phase, f.chunked, f.upgrade, f.left = phaseHeader, false, false, 0
	case phaseHeader:
		return f.headerLine(line)
	case phaseSize:
		return f.sizeLine(line)
	case phaseChunkCR:
		if len(line) != 0 {
			return "a chunk is longer than its size"
		}
		f.phase = phaseSize
	case phaseTrailer:
		if len(line) == 0 {
			f.phase = phaseStart
		} else if name, _, ok := strings.Cut(string(line), ":"); !ok || !abi.ValidToken(name) {
			return "a trailer's name is not a token"
		}
	}
	return ""
}

// headerLine takes from a header what it says of the body's end. What the gate
// refuses anyway need not be understood here.
func (f *framing) headerLine(line []byte) string {
	if len(line) == 0 {
		switch {
		case f.upgrade:
			f.phase = phaseTunnel
		case f.chunked:
			f.phase = phaseSize
		case f.left > 0:
			f.phase = phaseBody
		default:
			f.phase = phaseStart
		}
		return ""
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	switch len(name) {
	case len("Upgrade"):
		f.upgrade = f.upgrade || strings.EqualFold(string(name), "Upgrade")
	case len("Content-Length"):
		if strings.EqualFold(string(name), "Content-Length") {
			n, ok := parseLength(string(bytes.Trim(value, " \t")))
			if !ok {
				return "Content-Length is not a number"
			}
			f.left = n
		}
	case len("Transfer-Encoding"):
		f.chunked = f.chunked || strings.EqualFold(string(name), "Transfer-Encoding")
	}
	return ""
}

// sizeLine reads "size[;extension]" (RFC 9112, section 7.1): no sign, no space,
// no 0x, at most 15 digits.
func (f *framing) sizeLine(line []byte) string {
	digits, extension, _ := bytes.Cut(line, []byte(";"))
	if len(digits) == 0 || len(digits) > 15 || !abi.ValidValue(string(extension)) {
		return "a chunk's size is malformed"
	}
	f.left = 0
	for _, c := range digits {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return "a chunk's size is malformed"
		}
		f.left = f.left<<4 | int64(c)
	}
	if f.phase = phaseBody; f.left == 0 {
		f.phase = phaseTrailer
	}
	return ""
}

// bodyRead goes on after the last byte of a body or chunk.
func (f *framing) bodyRead() {
	if f.phase = phaseStart; f.chunked {
		f.phase = phaseChunkCR
	}
}
