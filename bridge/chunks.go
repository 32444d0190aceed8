package bridge

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
)

// maxChunkLine bounds a chunk's size line with its extensions, which are dropped.
const maxChunkLine = 4 << 10

// passChunks sends a body on in the chunks that it came in, as many of them at a
// time as are there (RFC 9112, section 7.1). A size line that is not in its plain
// form is made again, and so is what follows the last chunk.
func (b *answerBody) passChunks(bw *bufio.Writer) error {
	for {
		if err := b.c.src.wait(); err != nil {
			return b.fail(err)
		}
		room, err := b.room()
		if err != nil {
			return err
		}
		n, data := b.scanChunks(b.c.src.unread(), room)
		_, werr := bw.Write(b.c.src.unread()[:n])
		b.c.src.skip(n)
		b.x.count(&b.x.out, int(data))
		switch {
		case werr != nil:
			return b.fail(werr)
		case b.err != nil: // it was the last
			return nil
		case b.left > 0 || n > 0 && len(b.c.src.unread()) == 0:
			continue
		}
		size, err := b.chunkLine()
		switch {
		case err != nil:
			return b.fail(err)
		case size < 0:
			bw.WriteString("\r\n")
		case size > 0:
			bw.Write(appendChunkSize(bw.AvailableBuffer(), size))
		default:
			return b.lastChunk(bw)
		}
	}
}

// lastChunk sends the last chunk and the trailers that are behind it.
func (b *answerBody) lastChunk(bw *bufio.Writer) error {
	trailers, err := b.trailers()
	if err != nil {
		return b.fail(err)
	}
	if err := (&chunkWriter{bw}).end(trailers); err != nil {
		return b.fail(err)
	}
	b.err = io.EOF
	return nil
}

// scanChunks goes over what has come and returns how many bytes of it can go on as
// they are, and how many of those are data, of which there is room for so many. It
// stops at a line that is not all there, or not plain; b.err is io.EOF after the
// last chunk, if no trailers follow it.
func (b *answerBody) scanChunks(p []byte, room int64) (n int, data int64) {
	end := []byte("\r\n")
	for n < len(p) {
		switch {
		case b.left > 0:
			k := min(b.left, int64(len(p)-n), room-data)
			if k == 0 {
				return n, data
			}
			n, data, b.left = n+int(k), data+k, b.left-k
		case b.started:
			if !bytes.HasPrefix(p[n:], end) {
				return n, data
			}
			n, b.started = n+len(end), false
		default:
			size, length := plainSize(p[n:])
			if length == 0 {
				return n, data
			}
			if size == 0 {
				if bytes.HasPrefix(p[n+length:], end) {
					n, b.err = n+length+len(end), io.EOF
				}
				return n, data
			}
			n, b.left, b.started = n+length, size, true
		}
	}
	return n, data
}

// plainSize reads a size line that is nothing but at most 15 digits, and tells how
// long it is; 0 for any other, and for one that is not all there.
func plainSize(p []byte) (size int64, length int) {
	for i, c := range p[:min(len(p), 16)] {
		d := hexDigit(c)
		if d < 0 {
			if i > 0 && bytes.HasPrefix(p[i:], []byte("\r\n")) {
				return size, i + 2
			}
			break
		}
		size = size<<4 | int64(d)
	}
	return 0, 0
}

// chunkLine reads the next line between the chunks' data: size is -1 for the CRLF
// behind data, 0 for the last chunk, whose trailers come next.
func (b *answerBody) chunkLine() (size int64, err error) {
	src := &b.c.src
	if err := src.wait(); err != nil {
		return 0, err
	}
	line, length, err := src.line(maxChunkLine)
	if err != nil {
		return 0, err
	}
	if b.started {
		if len(line) > 0 {
			return 0, fmt.Errorf("%w: chunk is longer than its size", errAnswer)
		}
		b.started = false
		src.skip(length)
		return -1, nil
	}
	if size, err = chunkSize(line); err != nil {
		return 0, err
	}
	src.skip(length)
	b.left, b.started = size, size > 0
	return size, nil
}

// nextChunk reads up to the next chunk's data. After the last one b.err is io.EOF;
// trailers are dropped.
func (b *answerBody) nextChunk() error {
	for {
		size, err := b.chunkLine()
		if err != nil || size > 0 {
			return err
		}
		if size == 0 {
			if _, err = b.trailers(); err == nil {
				b.err = io.EOF
			}
			return err
		}
	}
}

// trailers reads what follows the last chunk, and returns what may be sent on.
func (b *answerBody) trailers() ([]Header, error) {
	var fields []Header
	for left := maxHead; ; {
		if err := b.c.src.wait(); err != nil {
			return nil, err
		}
		line, size, err := b.c.src.line(left)
		if err != nil {
			return nil, err
		}
		if left -= size; len(line) == 0 {
			b.c.src.skip(size)
			return fields, nil
		}
		h, err := parseField(line)
		if err != nil {
			return nil, fmt.Errorf("%w: trailer: %w", errAnswer, err)
		}
		b.c.src.skip(size)
		if trailing(h.Name) {
			fields = append(fields, h)
		}
	}
}

// chunkSize reads the size line of a chunk and ignores its extensions.
func chunkSize(line []byte) (int64, error) {
	var n int64
	i := 0
	for ; i < len(line); i++ {
		d := hexDigit(line[i])
		if d < 0 {
			break
		}
		if n > math.MaxInt64>>4 {
			return 0, fmt.Errorf("%w: chunk size", errAnswer)
		}
		n = n<<4 | int64(d)
	}
	rest := trimOWS(line[i:])
	if i == 0 || len(rest) > 0 && rest[0] != ';' || !validValue(rest) {
		return 0, fmt.Errorf("%w: chunk size line", errAnswer)
	}
	return n, nil
}

// appendChunkSize appends the size line of a chunk of n bytes.
func appendChunkSize(dst []byte, n int64) []byte {
	return append(strconv.AppendInt(dst, n, 16), "\r\n"...)
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
