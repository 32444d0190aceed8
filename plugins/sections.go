package plugins

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// The sections of a module that are looked at here (WebAssembly 2.0, section 5.5.2).
const (
	sectionCustom    = 0
	sectionMemory    = 5
	sectionStart     = 8
	sectionElement   = 9
	sectionData      = 11
	sectionDataCount = 12
)

// cursor reads the binary format (WebAssembly 2.0, section 5.2). Once it was asked for
// something that is not there, bad is true, nothing is left, and what it reads is 0.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) fail() { c.b, c.bad = nil, true }

func (c *cursor) byte() byte {
	if len(c.b) == 0 {
		c.fail()
		return 0
	}
	v := c.b[0]
	c.b = c.b[1:]
	return v
}

// u32 reads an unsigned number of at most 5 bytes.
func (c *cursor) u32() uint32 {
	v, n := binary.Uvarint(c.b[:min(len(c.b), binary.MaxVarintLen32)])
	if n <= 0 || v > math.MaxUint32 {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return uint32(v)
}

// i32 reads a signed number of at most 5 bytes, whose unused bits repeat its sign.
func (c *cursor) i32() int32 {
	var v int64
	for shift := 0; shift < 35; shift += 7 {
		b := c.byte()
		v |= int64(b&0x7f) << shift
		if b < 0x80 {
			if b&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			if v != int64(int32(v)) {
				break
			}
			return int32(v)
		}
	}
	c.fail()
	return 0
}

// take reads n bytes, which are a view.
func (c *cursor) take(n uint32) []byte {
	if uint64(n) > uint64(len(c.b)) {
		c.fail()
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

// section is one section of a module.
type section struct {
	id      byte
	name    string // of a custom one
	content []byte // of a custom one what follows the name; a view
	whole   []byte // with id and size; a view
}

// sectionsOf takes a module apart. It is false if that is not possible, or if a section
// comes twice or out of order (section 5.5.16), custom ones aside.
func sectionsOf(module []byte) (sections []section, ok bool) {
	if len(module) < 8 {
		return nil, false
	}
	c := cursor{b: module[8:]}
	for last := 0; len(c.b) > 0; {
		begin := c.b
		s := section{id: c.byte()}
		s.content = c.take(c.u32())
		s.whole = begin[:len(begin)-len(c.b)]
		if s.id == sectionCustom {
			in := cursor{b: s.content}
			s.name = string(in.take(in.u32()))
			s.content = in.b
			c.bad = c.bad || in.bad || !utf8.ValidString(s.name)
		} else {
			rank := sectionRank(s.id)
			c.bad = c.bad || rank <= last
			last = rank
		}
		if c.bad {
			return nil, false
		}
		sections = append(sections, s)
	}
	return sections, true
}

// sectionRank is a section's place in the order: the data count comes before the code.
// It is 0 for one that nobody knows.
func sectionRank(id byte) int {
	switch {
	case id == sectionDataCount:
		return 2*sectionElement + 1
	case id <= sectionData:
		return 2 * int(id)
	}
	return 0
}
