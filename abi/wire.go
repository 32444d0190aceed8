package abi

import (
	"encoding/binary"
	"errors"
)

// Limits on what one block may hold. A block beyond them is ErrBlock.
const (
	MaxHeaders     = 1024
	MaxHeaderBytes = 256 << 10
)

// ErrBlock is a header block or value list that breaks its layout or its limits.
var ErrBlock = errors.New("malformed header block")

// AppendHeaders appends the header block of hs to b. All numbers are u32,
// little-endian:
//
//	count, then for each header: len(name) name len(value) value
//
// One header "A: bc" is 01000000 01000000 41 02000000 6263.
func AppendHeaders(b []byte, hs []Header) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(hs)))
	for _, h := range hs {
		b = appendBytes(b, h.Name)
		b = appendBytes(b, h.Value)
	}
	return b
}

// ParseHeaders reads a header block. It allocates no more than the block's own
// size in proportion, whatever the block claims. It does not check that names
// are tokens: the one who sends them on does.
func ParseHeaders(b []byte) ([]Header, error) {
	if len(b) == 0 {
		return nil, nil
	}
	n, b, ok := takeU32(b)
	if !ok || n > MaxHeaders || len(b) > MaxHeaderBytes || int(n) > len(b)/8 {
		return nil, ErrBlock
	}
	hs := make([]Header, 0, n)
	for range n {
		var h Header
		if h.Name, b, ok = takeBytes(b); !ok {
			return nil, ErrBlock
		}
		if h.Value, b, ok = takeBytes(b); !ok {
			return nil, ErrBlock
		}
		hs = append(hs, h)
	}
	if len(b) != 0 {
		return nil, ErrBlock
	}
	return hs, nil
}

// AppendValues appends a value list to b: for each value len(value) value.
func AppendValues(b []byte, vs []string) []byte {
	for _, v := range vs {
		b = appendBytes(b, v)
	}
	return b
}

// ParseValues reads a value list.
func ParseValues(b []byte) ([]string, error) {
	var vs []string
	for len(b) > 0 {
		v, rest, ok := takeBytes(b)
		if !ok || len(vs) == MaxHeaders {
			return nil, ErrBlock
		}
		vs, b = append(vs, v), rest
	}
	return vs, nil
}

func appendBytes(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
}

func takeU32(b []byte) (uint32, []byte, bool) {
	if len(b) < 4 {
		return 0, nil, false
	}
	return binary.LittleEndian.Uint32(b), b[4:], true
}

func takeBytes(b []byte) (string, []byte, bool) {
	n, b, ok := takeU32(b)
	if !ok || uint64(n) > uint64(len(b)) {
		return "", nil, false
	}
	return string(b[:n]), b[n:], true
}
