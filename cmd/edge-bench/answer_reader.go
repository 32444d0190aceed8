package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// answerReader counts the answers of HTTP/1.1 on one connection, bodies by length
// or in chunks (RFC 9112, sections 6 and 7). Every answer must be a 200 with a
// body of the given size.
type answerReader struct {
	part []byte // the begin of a head, or of a chunk's line, that a read cut
	body int64  // of the answer at hand, so far
	left int64  // of the body, or of the chunk
	mode answerMode
}

type answerMode int

const (
	inHead answerMode = iota
	inBody
	inChunkLine // the line that tells a chunk's size
	inChunk     // its bytes and the CRLF behind them
	inTrailer
)

var errPart = errors.New("a head or a line of an answer is too long")

// feed takes what was read and tells how many answers it completes.
func (a *answerReader) feed(b []byte, size int64) (answers int, err error) {
	for len(b) > 0 {
		var whole bool
		switch a.mode {
		case inHead:
			b, whole, err = a.head(b)
		case inBody:
			n := min(a.left, int64(len(b)))
			b, a.left, a.body = b[n:], a.left-n, a.body+n
			whole = a.left == 0
		case inChunk:
			n := min(a.left, int64(len(b)))
			if b, a.left = b[n:], a.left-n; a.left == 0 {
				a.mode = inChunkLine
			}
		case inChunkLine, inTrailer:
			b, whole, err = a.line(b)
		}
		if err != nil {
			return answers, err
		}
		if !whole {
			continue
		}
		if a.body != size {
			return answers, fmt.Errorf("a body of %d bytes instead of %d", a.body, size)
		}
		answers++
		a.mode, a.body, a.left = inHead, 0, 0
	}
	return answers, nil
}

// until joins b to what an earlier read began, up to and with end.
func (a *answerReader) until(b []byte, end string) (text, rest []byte, err error) {
	if len(a.part) == 0 {
		if i := bytes.Index(b, []byte(end)); i >= 0 {
			return b[:i+len(end)], b[i+len(end):], nil
		}
	}
	had := len(a.part)
	a.part = append(a.part, b[:min(len(b), maxAnswerHead)]...)
	if i := bytes.Index(a.part, []byte(end)); i >= 0 {
		text, a.part = a.part[:i+len(end)], a.part[:0]
		return text, b[len(text)-had:], nil
	}
	if len(a.part) >= maxAnswerHead {
		return nil, nil, errPart
	}
	return nil, nil, nil
}

// head reads the head of an answer. whole is that there is no body.
func (a *answerReader) head(b []byte) (rest []byte, whole bool, err error) {
	text, rest, err := a.until(b, "\r\n\r\n")
	if text == nil {
		return nil, false, err
	}
	if !bytes.HasPrefix(text, []byte("HTTP/1.1 200 ")) {
		line, _, _ := bytes.Cut(text, []byte("\r\n"))
		return nil, false, fmt.Errorf("answered %q", line)
	}
	if length, ok := headerValue(text, "content-length"); ok {
		a.mode = inBody
		if a.left, ok = decimal(length); !ok {
			return nil, false, fmt.Errorf("Content-Length %q", length)
		}
		return rest, a.left == 0, nil
	}
	if coding, _ := headerValue(text, "transfer-encoding"); string(coding) == "chunked" {
		a.mode = inChunkLine
		return rest, false, nil
	}
	return nil, false, errors.New("an answer without Content-Length and without chunks")
}

// line reads the line of a chunk's size, or one of the trailer. whole is that it
// ends the answer.
func (a *answerReader) line(b []byte) (rest []byte, whole bool, err error) {
	text, rest, err := a.until(b, "\r\n")
	if text == nil {
		return nil, false, err
	}
	text = text[:len(text)-2]
	if a.mode == inTrailer {
		return rest, len(text) == 0, nil
	}
	digits, _, _ := bytes.Cut(text, []byte(";"))
	n, err := strconv.ParseUint(string(digits), 16, 40)
	if err != nil {
		return nil, false, fmt.Errorf("the size of a chunk is %q", text)
	}
	if n == 0 {
		a.mode = inTrailer
		return rest, false, nil
	}
	a.mode, a.left, a.body = inChunk, int64(n)+2, a.body+int64(n)
	return rest, false, nil
}

// decimal reads digits and allocates nothing.
func decimal(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}
