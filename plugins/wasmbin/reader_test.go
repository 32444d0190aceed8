package wasmbin_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"edge/plugins/wasmasm"
	"edge/plugins/wasmbin"
)

// TestRead reads bytes that are in order, and such that are not.
func TestRead(t *testing.T) {
	t.Parallel()
	u32 := func(r *wasmbin.Reader) any { return r.U32() }
	s32 := func(r *wasmbin.Reader) any { return r.S32() }
	s64 := func(r *wasmbin.Reader) any { return r.S64() }
	block := func(r *wasmbin.Reader) any { return r.BlockType() }
	name := func(r *wasmbin.Reader) any { return r.Name() }
	constant := func(r *wasmbin.Reader) any { return r.ConstI32() }
	limits := func(r *wasmbin.Reader) any {
		low, high, bounded := r.Limits()
		return []any{low, high, bounded}
	}
	part := func(r *wasmbin.Reader) any {
		p := r.Part(r.U32())
		r.Byte()
		return fmt.Sprint(p.Offset(), p.Byte(), p.Done())
	}
	tests := []struct {
		name, in string
		read     func(*wasmbin.Reader) any
		want     any // what is read, or a part of the error
	}{
		{"u32 of one byte", "\x7f", u32, uint32(127)},
		{"u32 of two", "\x80\x01", u32, uint32(128)},
		{"u32 in a longer form", "\x81\x80\x80\x80\x00", u32, uint32(1)},
		{"the largest u32", "\xff\xff\xff\xff\x0f", u32, uint32(1<<32 - 1)},
		{"u32 of six bytes", "\x80\x80\x80\x80\x80\x00", u32, errors.New("at byte 5: a number does not fit in 32 bits")},
		{"u32 of 33 bits", "\xff\xff\xff\xff\x1f", u32, errors.New("does not fit in 32 bits")},
		{"u32 cut short", "\x80", u32, errors.New("malformed module at byte 1: unexpected end")},
		{"s32", "\xc0\x00", s32, int32(64)},
		{"s32 below 0", "\xbf\x7f", s32, int32(-65)},
		{"the smallest s32", "\x80\x80\x80\x80\x78", s32, int32(-1 << 31)},
		{"s32 whose sign differs", "\x80\x80\x80\x80\x08", s32, errors.New("does not fit in 32 bits")},
		{"the largest s64", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", s64, int64(1<<63 - 1)},
		{"s64 of 65 bits", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", s64, errors.New("does not fit in 64 bits")},
		{"name", "\x03\xe2\x82\xac", name, "€"},
		{"name of other bytes", "\x01\xff", name, errors.New("a name is not UTF-8")},
		{"name beyond the end", "\x03ab", name, errors.New("at byte 3: unexpected end")},
		{"block without result", "\x40", block, int64(-64)},
		{"block of a type", "\x80\x01", block, int64(128)},
		{"block in a longer form", "\xc0\x7f", block, errors.New("unsupported module at byte 2: block type -64")},
		{"block of no type", "\x41", block, errors.New("block type -63")},
		{"constant", "\x41\x10\x0b", constant, int32(16)},
		{"constant of another type", "\x42\x10\x0b", constant, errors.New("unsupported module at byte 1: instruction 0x42")},
		{"constant of a sum", "\x41\x10\x41\x01\x6a\x0b", constant, errors.New("instruction 0x41 behind")},
		{"limits", "\x00\x02", limits, []any{uint32(2), uint32(0), false}},
		{"limits with a maximum", "\x01\x02\x03", limits, []any{uint32(2), uint32(3), true}},
		{"limits that are shared", "\x03\x02\x03", limits, errors.New("limits of kind 0x3")},
		{"part", "\x01\x05\x06", part, "1 5 <nil>"},
		{"part that is not read to its end", "\x03\x05\x06\x07\x08", part, "1 5 malformed module at byte 2: 2 bytes more than what it holds"},
		{"part beyond the end", "\x04\x05", part, errors.New("at byte 2: unexpected end")},
		{"more than that", "\x01\x02", u32, errors.New("at byte 1: 1 bytes more")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := wasmbin.NewReader([]byte(tt.in))
			got := tt.read(r)
			err := r.Done()
			if want, fails := tt.want.(error); fails {
				if err == nil || !strings.Contains(err.Error(), want.Error()) {
					t.Errorf("got %v, %v; want %v", got, err, want)
				}
				if r.Fail(errors.ErrUnsupported, "later"); r.More() || r.Err() != err {
					t.Error("the first error does not stay")
				}
			} else if fmt.Sprintf("%T%v", got, got) != fmt.Sprintf("%T%v", tt.want, tt.want) || err != nil {
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// TestAppend writes numbers in their shortest form.
func TestAppend(t *testing.T) {
	t.Parallel()
	for v, want := range map[int64]string{0: "00", 63: "3f", 64: "c000", -64: "40", -65: "bf7f", 128: "8001", -128: "807f"} {
		if got := fmt.Sprintf("%x", wasmbin.AppendS64(nil, v)); got != want {
			t.Errorf("%d is %s, want %s", v, got, want)
		}
	}
	for v, want := range map[uint32]string{127: "7f", 128: "8001", 1<<32 - 1: "ffffffff0f"} {
		if got := fmt.Sprintf("%x", wasmbin.AppendU32(nil, v)); got != want {
			t.Errorf("%d is %s, want %s", v, got, want)
		}
	}
}

// TestImmediates reads instructions, one of each form, to where the next one begins.
func TestImmediates(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"\x00", "\x01", "\x02\x40", "\x03\x7f", "\x04\x80\x01", "\x05", "\x0b", "\x0c\x01", "\x0d\x80\x01", "\x0e\x02\x00\x01\x02", "\x0f",
		"\x10\x80\x01", "\x11\x01\x00", "\x1a", "\x1b", "\x1c\x01\x7f", "\x20\x00", "\x22\x80\x01", "\x24\x00", "\x25\x00", "\x26\x00",
		"\x28\x02\x80\x01", "\x3e\x00\x00", "\x3f\x00", "\x40\x00", "\x41\x7f", "\x42\x80\x01", "\x430000", "\x4400000000", "\x45", "\xc4",
		"\xd0\x70", "\xd1", "\xd2\x00", "\xfc\x07", "\xfc\x08\x01\x00", "\xfc\x09\x01", "\xfc\x0a\x00\x00", "\xfc\x0b\x00", "\xfc\x0c\x01\x00",
		"\xfc\x0d\x01", "\xfc\x0e\x00\x00", "\xfc\x0f\x00", "\xfc\x10\x00", "\xfc\x11\x00",
		"\xfd\x00\x04\x00", "\xfd\x0c0123456789abcdef", "\xfd\x0d0123456789abcdef", "\xfd\x15\x0f", "\xfd\x23", "\xfd\x54\x00\x00\x01", "\xfd\x5d\x00\x00", "\xfd\xff\x01",
	} {
		r := wasmbin.NewReader([]byte(in + "\x0b"))
		if r.Immediates(r.Byte()); r.Err() != nil || r.Offset() != len(in) {
			t.Errorf("%x: read up to %d, %v", in, r.Offset(), r.Err())
		}
		for short := 1; short < len(in); short++ {
			r := wasmbin.NewReader([]byte(in[:short]))
			if r.Immediates(r.Byte()); !errors.Is(r.Err(), wasmbin.ErrMalformed) {
				t.Errorf("%x: error %v", in[:short], r.Err())
			}
		}
	}
	for _, in := range []string{
		"\x06\x40", "\x12\x00", "\x27", "\xc5", "\xd3", "\xfb\x00", "\xfe\x00", "\xff", // of later versions
		"\x02\x41", "\x1c\x02\x7f\x7f", "\x1c\x01\x01", "\x28\x05\x00", "\x3f\x01", "\xd0\x7f",
		"\xfc\x08\x01\x01", "\xfc\x0b\x01", "\xfc\x12\x00", "\xfd\x80\x02", "\xfd\xa2\x01",
	} {
		r := wasmbin.NewReader([]byte(in))
		if r.Immediates(r.Byte()); !errors.Is(r.Err(), wasmbin.ErrUnsupported) {
			t.Errorf("%x: error %v", in, r.Err())
		}
	}
}

// TestSections goes through modules with one thing wrong.
func TestSections(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		module, want string // want of the error
	}{
		"empty":                   {wasmbin.Header, ""},
		"in order":                {wasmbin.Header + "\x01\x01\x00\x00\x02\x01n\x09\x01\x00\x0c\x01\x00\x0a\x01\x00\x0b\x01\x00\x00\x02\x01n", ""},
		"nothing":                 {"", "malformed module at byte 0: no magic number"},
		"text":                    {"function fetch() {}", "no magic number"},
		"a component":             {wasmbin.Magic + "\x0d\x00\x01\x00", "unsupported module at byte 0: not version 1"},
		"cut in the version":      {wasmbin.Magic + "\x01\x00", "not version 1"},
		"cut behind an id":        {wasmbin.Header + "\x01", "malformed module at byte 9: unexpected end"},
		"cut in a section":        {wasmbin.Header + "\x01\x02\x00", "malformed module at byte 11: unexpected end"},
		"twice":                   {wasmbin.Header + "\x01\x01\x00\x01\x01\x00", "malformed module at byte 14: section 1 is out of order"},
		"code before its data":    {wasmbin.Header + "\x0a\x01\x00\x0c\x01\x00", "section 12 is out of order"},
		"unknown":                 {wasmbin.Header + "\x0d\x01\x00", "unsupported module at byte 11: section 13"},
		"a name beyond":           {wasmbin.Header + "\x00\x02\x05n\x01\x01\x00", "malformed module at byte 12: unexpected end"},
		"a name that is no UTF-8": {wasmbin.Header + "\x00\x02\x01\xff", "a name is not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var last error
			for s, err := range wasmbin.Sections([]byte(tt.module)) {
				if last = err; err != nil && s.Whole != nil {
					t.Error("an error comes with a section")
				}
			}
			if got := fmt.Sprint(last); (last == nil) != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %v, want %q", last, tt.want)
			}
		})
	}
}

// FuzzSections puts modules that were taken apart together again, and reads whatever
// is in them as code: each instruction has at least one byte, up to the first error.
func FuzzSections(f *testing.F) {
	m := wasmasm.New()
	m.Memory(1, 2)
	m.Bytes([]byte("data"))
	m.Func("run", "i", "i", "I", wasmasm.If(wasmasm.I32(-5), wasmasm.I64(1<<40)), wasmasm.F64(2))
	m.Custom("name", []byte("content"))
	f.Add(m.Encode())
	f.Add([]byte(wasmbin.Header + "\x01\x81\x80\x00\x00"))
	f.Add([]byte(wasmbin.Header + "\x0a\x09\xfd\x0c0123456789abcdef\x0e\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, module []byte) {
		whole, again := []byte(wasmbin.Header), []byte(wasmbin.Header)
		for s, err := range wasmbin.Sections(module) {
			if err != nil {
				if !errors.Is(err, wasmbin.ErrMalformed) && !errors.Is(err, wasmbin.ErrUnsupported) {
					t.Errorf("error %v has no name", err)
				}
				return
			}
			r := s.Reader()
			if !bytes.HasPrefix(module[r.Offset():], r.Rest()) || !bytes.HasSuffix(s.Content, r.Rest()) {
				t.Errorf("section %d: its reader is elsewhere", s.ID)
			}
			for r.More() {
				before := r.Offset()
				if r.Immediates(r.Byte()); r.Offset() <= before {
					t.Fatalf("an instruction of no bytes at %d", before)
				}
			}
			whole, again = append(whole, s.Whole...), wasmbin.AppendSection(again, s.ID, s.Content)
		}
		if !bytes.Equal(whole, module) {
			t.Error("the sections are not the module")
		}
		for _, err := range wasmbin.Sections(again) {
			if err != nil {
				t.Errorf("what was put together is not read: %v", err)
			}
		}
		if len(again) > len(module) {
			t.Error("a size is not in its shortest form")
		}
	})
}

// FuzzNumbers reads what was written.
func FuzzNumbers(f *testing.F) {
	for _, v := range []int64{0, 63, 64, 127, 128, 1<<31 - 1, 1 << 31, 1<<63 - 1} {
		f.Add(v, "name")
		f.Add(^v, "\xff")
	}
	f.Fuzz(func(t *testing.T, v int64, s string) {
		s = strings.ToValidUTF8(s, "?")
		b := wasmbin.AppendU32(nil, uint32(v))
		b = wasmbin.AppendS64(wasmbin.AppendS32(b, int32(v)), v)
		b = wasmbin.AppendConstI32(wasmbin.AppendName(b, s), int32(v))
		b = wasmbin.AppendSized(b, []byte(s))
		r := wasmbin.NewReader(b)
		if u, i, l := r.U32(), r.S32(), r.S64(); u != uint32(v) || i != int32(v) || l != v {
			t.Errorf("%d is read as %d, %d and %d", v, u, i, l)
		}
		if name, at, sized := r.Name(), r.ConstI32(), r.Bytes(r.U32()); name != s || at != int32(v) || string(sized) != s || r.Done() != nil {
			t.Errorf("%q at %d is read as %q at %d, and %q; %v", s, v, name, at, sized, r.Err())
		}
	})
}
