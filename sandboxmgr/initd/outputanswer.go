package initd

import (
	"bytes"
	"encoding/base64"
	"errors"
	"unicode/utf8"

	"edge/sandboxmgr/initproto"
)

// output is what came from a stream, in pieces, so that nothing of it was copied
// while it grew.
type output [][]byte

// The sizes of a piece, in bytes.
const (
	firstPiece = 4 << 10
	maxPiece   = 64 << 10
)

// add appends p.
func (o *output) add(p []byte) {
	for len(p) > 0 {
		last := len(*o) - 1
		if last < 0 || len((*o)[last]) == cap((*o)[last]) {
			*o = append(*o, make([]byte, 0, min(max(firstPiece, o.size()), maxPiece)))
			last++
		}
		piece := (*o)[last]
		n := min(len(p), cap(piece)-len(piece))
		(*o)[last] = append(piece, p[:n]...)
		p = p[n:]
	}
}

func (o output) size() int {
	n := 0
	for _, piece := range o {
		n += len(piece)
	}
	return n
}

// whole cuts a character off that the end holds only in part.
func (o output) whole() output {
	var tail []byte // the end's last bytes
	for i := len(o) - 1; i >= 0 && len(tail) < utf8.UTFMax; i-- {
		tail = append(bytes.Clone(o[i][max(0, len(o[i])-utf8.UTFMax):]), tail...)
	}
	cut := len(tail) - len(wholeRunes(tail))
	for i := len(o) - 1; cut > 0; i-- {
		n := min(cut, len(o[i]))
		o[i] = o[i][:len(o[i])-n]
		cut -= n
	}
	return o
}

// encodedSize is the length of the output as the inside of a JSON string.
func (o output) encodedSize(encoding string) int {
	if encoding == encodingBase64 {
		return base64.StdEncoding.EncodedLen(o.size())
	}
	n := 0
	o.encode(encoding, func(b []byte) { n += len(b) })
	return n
}

// encode gives the output as the inside of a JSON string to emit, which must not
// keep it, piece by piece.
func (o output) encode(encoding string, emit func([]byte)) {
	buf := pumpBuffers.Get().(*[]byte)
	defer pumpBuffers.Put(buf)
	if encoding == encodingBase64 {
		o.encodeBase64((*buf)[:0], emit)
		return
	}
	var text textEncoder
	for _, p := range o {
		for len(p) > 0 {
			var b []byte
			b, p = text.append((*buf)[:0], p, len(*buf))
			emit(b)
		}
	}
	emit(text.flush((*buf)[:0]))
}

// encodeBase64 encodes all pieces as one; what of a piece is no multiple of three
// bytes is put before the next one.
func (o output) encodeBase64(buf []byte, emit func([]byte)) {
	var carry [3]byte
	carried := 0
	for _, p := range o {
		if carried > 0 {
			n := copy(carry[carried:], p)
			if carried, p = carried+n, p[n:]; carried < len(carry) {
				continue
			}
			emitBase64(carry[:], buf, emit)
		}
		whole := len(p) / len(carry) * len(carry)
		emitBase64(p[:whole], buf, emit)
		carried = copy(carry[:], p[whole:])
	}
	emitBase64(carry[:carried], buf, emit)
}

func emitBase64(p, buf []byte, emit func([]byte)) {
	for len(p) > 0 {
		var b []byte
		b, p = appendBase64(buf, p, cap(buf))
		emit(b)
	}
}

// outputAnswer is an answer with the output of both streams, encoded in pieces
// while it is sent: a copy of a large one more, and the sandbox might end for
// want of memory.
type outputAnswer struct {
	// around is the answer without the output: a struct whose JSON has
	// "stdout":"","stderr":"" in it.
	around         any
	stdout, stderr output
	encoding       string
}

// size is the length of the answer as JSON, or a little more.
func (a *outputAnswer) size() int {
	return answerMargin + a.stdout.encodedSize(a.encoding) + a.stderr.encodedSize(a.encoding)
}

// send adds the answer as a body.
func (a *outputAnswer) send(w *initproto.Writer) error {
	b, err := initproto.EncodeBody(a.around)
	if err != nil {
		return err
	}
	head, tail, ok := bytes.Cut(b, []byte(`"stdout":"","stderr":""`))
	if !ok {
		return errNoOutput
	}
	w.Data(head)
	w.Data([]byte(`"stdout":"`))
	a.stdout.encode(a.encoding, w.Data)
	w.Data([]byte(`","stderr":"`))
	a.stderr.encode(a.encoding, w.Data)
	w.Data([]byte(`"`))
	w.Data(tail)
	w.End()
	return nil
}

var errNoOutput = errors.New("the answer has no place for output")
