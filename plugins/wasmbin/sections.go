package wasmbin

import (
	"bytes"
	"iter"
)

// Section is one section of a module.
type Section struct {
	ID      byte
	Name    string // of a custom one (section 5.5.3)
	Content []byte // all that its size counts: the name of a custom one, too
	Whole   []byte // with ID and size
	in      Reader
}

// Reader is a new reader of what the section holds; of a custom one, of what follows its
// name.
func (s *Section) Reader() *Reader {
	r := s.in
	return &r
}

// Sections goes through a module. It ends with an error, and a section that says
// nothing, where the module is not one of version 1, ends too early, has a section that
// is unknown, comes twice or is out of order (section 5.5.16), or a custom one without a
// name. What is in the others is not looked at.
func Sections(module []byte) iter.Seq2[Section, error] {
	return func(yield func(Section, error) bool) {
		r := NewReader(module)
		r.header()
		for last := 0; r.More(); {
			s := r.section(&last)
			if r.err == nil && !yield(s, nil) {
				return
			}
		}
		if r.err != nil {
			yield(Section{}, r.err)
		}
	}
}

func (r *Reader) header() {
	switch {
	case !bytes.HasPrefix(r.b, []byte(Magic)):
		r.Fail(ErrMalformed, "no magic number")
	case !bytes.HasPrefix(r.b, []byte(Header)):
		r.Fail(ErrUnsupported, "not version 1 of the binary format")
	}
	r.Bytes(uint32(len(Header)))
}

// section reads one. last is the place of the one before that is not custom.
func (r *Reader) section(last *int) Section {
	begin := r.at
	s := Section{ID: r.Byte()}
	s.in = r.Part(r.U32())
	s.Content, s.Whole = s.in.Rest(), r.Slice(begin, r.at)
	if s.ID == SectionCustom {
		if s.Name = s.in.Name(); s.in.err != nil {
			*r = s.in
		}
		return s
	}
	switch place := placeOf(s.ID); {
	case place == 0:
		r.Fail(ErrUnsupported, "section %d", s.ID)
	case place <= *last:
		r.Fail(ErrMalformed, "section %d is out of order", s.ID)
	default:
		*last = place
	}
	return s
}

// placeOf is where a section is in the order: the data count comes before the code. It
// is 0 for one that WebAssembly 2.0 does not know.
func placeOf(id byte) int {
	switch {
	case id == SectionDataCount:
		return 2*SectionElement + 1
	case id <= SectionData:
		return 2 * int(id)
	}
	return 0
}
