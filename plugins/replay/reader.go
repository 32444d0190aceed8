package replay

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Reader reads a recording, line by line.
type Reader struct {
	r    *bufio.Reader
	line int
}

// NewReader returns a Reader that reads from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 64<<10)} }

// Number is the number of the line that Next returned last, from 1.
func (r *Reader) Number() int { return r.line }

// errLine is a line that is no line of a recording. Reading can go on after it.
type errLine struct{ error }

func (e errLine) Unwrap() error { return e.error }

// Next returns the next line, or io.EOF. A line that is not whole, as the last one
// of a process that was killed, is an error after which Next goes on; any other
// error is the file's.
func (r *Reader) Next() (*Line, error) {
	for {
		text, err := r.text()
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		var l Line
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, errLine{fmt.Errorf("line %d: %w", r.line, err)}
		}
		if l.Request == nil && l.Settings == nil && l.Dropped == 0 {
			return nil, errLine{fmt.Errorf("line %d: it is no line of a recording", r.line)}
		}
		return &l, nil
	}
}

// text returns the next line's bytes, without its end.
func (r *Reader) text() ([]byte, error) {
	var text []byte
	for {
		piece, err := r.r.ReadSlice('\n')
		text = append(text, piece...)
		switch {
		case len(text) > maxLine:
			return nil, fmt.Errorf("line %d is longer than %d bytes: this is no recording", r.line+1, maxLine)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == nil, errors.Is(err, io.EOF) && len(text) > 0:
			r.line++
			return bytes.TrimSuffix(text, []byte("\n")), nil
		}
		return nil, err
	}
}
