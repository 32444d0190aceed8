package initd

import (
	"bytes"
	"encoding/base64"
	"errors"
	"unicode/utf8"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// answerMargin is more than what stands around the content in an answer.
const answerMargin = 1 << 10

// fileAnswer is a whole file on its way to the edge. It is encoded in pieces while
// it is sent: with a second or third copy of a large file the init, and with it
// the sandbox, would end for want of memory.
type fileAnswer struct{ *abi.ReadFileResponse }

// size is the length of the answer as JSON.
func (a fileAnswer) size() int {
	if a.Encoding == encodingBase64 {
		return answerMargin + base64.StdEncoding.EncodedLen(len(a.Content))
	}
	return answerMargin + textSize(a.Content)
}

// send adds the answer as a body.
func (a fileAnswer) send(w *initproto.Writer) error {
	around := *a.ReadFileResponse
	around.Content = ""
	b, err := initproto.EncodeBody(&around)
	if err != nil {
		return err
	}
	head, tail, ok := bytes.Cut(b, []byte(`"content":""`))
	if !ok {
		return errNoContent
	}
	w.Data(head)
	w.Data([]byte(`"content":"`))
	if a.Encoding == encodingBase64 {
		sendBase64(w, a.Content)
	} else {
		sendText(w, a.Content)
	}
	w.Data([]byte{'"'})
	w.Data(tail)
	w.End()
	return nil
}

var errNoContent = errors.New("the answer has no place for a content")

// sendBase64 adds content in base64.
func sendBase64(w *initproto.Writer, content string) {
	const piece = initproto.MaxFrame / 4 * 3 // a multiple of 3: no padding but at the end
	b := make([]byte, 0, initproto.MaxFrame)
	for len(content) > 0 {
		n := min(piece, len(content))
		w.Data(base64.StdEncoding.AppendEncode(b, []byte(content[:n])))
		content = content[n:]
	}
}

// maxEscape is what a byte of content takes as JSON at most: "\u0000".
const maxEscape = len(`\u0000`)

// sendText adds content as the inside of a JSON string.
func sendText(w *initproto.Writer, content string) {
	b := make([]byte, 0, initproto.MaxFrame)
	for len(content) > 0 {
		r, n := utf8.DecodeRuneInString(content)
		b = appendText(b, r, content[:n])
		content = content[n:]
		if len(b) > initproto.MaxFrame-maxEscape || content == "" {
			w.Data(b)
			b = b[:0]
		}
	}
}

const hexDigits = "0123456789abcdef"

// appendText appends a rune, which is raw in the file, as JSON has it.
func appendText(b []byte, r rune, raw string) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(b, '\\', byte(r))
	case r == '\n':
		return append(b, '\\', 'n')
	case r == '\r':
		return append(b, '\\', 'r')
	case r == '\t':
		return append(b, '\\', 't')
	case r < ' ':
		return append(b, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&0xf])
	case r == utf8.RuneError:
		return utf8.AppendRune(b, utf8.RuneError) // also for a byte that is not UTF-8
	}
	return append(b, raw...)
}

// textSize is the length of what sendText adds.
func textSize(content string) int {
	size := len(content)
	for i, r := range content {
		switch {
		case r == '"' || r == '\\' || r == '\n' || r == '\r' || r == '\t':
			size++
		case r < ' ':
			size += maxEscape - 1
		case r == utf8.RuneError:
			if _, n := utf8.DecodeRuneInString(content[i:]); n == 1 {
				size += utf8.RuneLen(utf8.RuneError) - 1
			}
		}
	}
	return size
}
