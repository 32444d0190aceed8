package abi_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"edge/abi"
)

// unhex reads bytes as SPEC.md writes them: hexadecimal with blanks.
func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestHeaderBlockGolden holds the bytes of SPEC.md: modules that were built years
// ago read them.
func TestHeaderBlockGolden(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		headers []abi.Header
		want    string
	}{
		{"none", nil, "00000000"},
		{"one", []abi.Header{{Name: "A", Value: "bc"}}, "01000000 01000000 41 02000000 6263"},
		{"same name twice, in order", []abi.Header{{Name: "x", Value: "1"}, {Name: "X", Value: "2"}},
			"02000000 01000000 78 01000000 31 01000000 58 01000000 32"},
		{"empty value", []abi.Header{{Name: "Ab"}}, "01000000 02000000 4162 00000000"},
		{"bytes that are not UTF-8", []abi.Header{{Name: "a", Value: "\xff\x00"}}, "01000000 01000000 61 02000000 ff00"},
		{"length of two bytes", []abi.Header{{Name: "a", Value: strings.Repeat("b", 300)}},
			"01000000 01000000 61 2c010000" + strings.Repeat("62", 300)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := unhex(t, tt.want)
			if got := abi.AppendHeaders(nil, tt.headers); !bytes.Equal(got, want) {
				t.Errorf("AppendHeaders = %x, want %x", got, want)
			}
			if got := abi.AppendHeaders([]byte("kept"), tt.headers); !bytes.Equal(got, append([]byte("kept"), want...)) {
				t.Errorf("AppendHeaders does not append: %x", got)
			}
			got, err := abi.ParseHeaders(want)
			if err != nil || !slices.Equal(got, tt.headers) {
				t.Errorf("ParseHeaders = %q, %v; want %q", got, err, tt.headers)
			}
		})
	}
	if hs, err := abi.ParseHeaders(nil); hs != nil || err != nil {
		t.Errorf("ParseHeaders of nothing = %v, %v; want no headers", hs, err)
	}
}

func TestHeaderBlockRefused(t *testing.T) {
	t.Parallel()
	many := func(n int) []byte { return abi.AppendHeaders(nil, make([]abi.Header, n)) }
	long := func(value int) []byte {
		return abi.AppendHeaders(nil, []abi.Header{{Name: "a", Value: strings.Repeat("b", value)}})
	}
	const frame = 4 + 1 + 4 // of one header named by one letter, the count aside
	for _, tt := range []struct {
		name  string
		block []byte
		ok    bool
	}{
		{"count cut", unhex(t, "010000"), false},
		{"count without headers", unhex(t, "01000000"), false},
		{"name cut", unhex(t, "01000000 02000000 41 00000000"), false},
		{"value cut", unhex(t, "01000000 01000000 41 02000000 62"), false},
		{"value's length cut", unhex(t, "01000000 01000000 41 0200"), false},
		{"bytes after the end", unhex(t, "01000000 01000000 41 00000000 00"), false},
		{"length of 4 GiB", unhex(t, "01000000 ffffffff 41 00000000"), false},
		{"count of 4 G", append(unhex(t, "ffffffff"), make([]byte, 64)...), false},
		{"count beyond what the bytes can hold", append(unhex(t, "09000000"), make([]byte, 64)...), false},
		{"below the most headers", many(abi.MaxHeaders - 1), true},
		{"the most headers", many(abi.MaxHeaders), true},
		{"one header too many", many(abi.MaxHeaders + 1), false},
		{"below the most bytes", long(abi.MaxHeaderBytes - frame - 1), true},
		{"the most bytes", long(abi.MaxHeaderBytes - frame), true},
		{"one byte too many", long(abi.MaxHeaderBytes - frame + 1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hs, err := abi.ParseHeaders(tt.block)
			if tt.ok && err != nil {
				t.Errorf("refused: %v", err)
			}
			if !tt.ok && (!errors.Is(err, abi.ErrBlock) || hs != nil) {
				t.Errorf("got %d headers and %v, want ErrBlock", len(hs), err)
			}
		})
	}
}

func TestValueListGolden(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		values []string
		want   string
	}{
		{"none", nil, ""},
		{"two", []string{"a", "bc"}, "01000000 61 02000000 6263"},
		{"empty value", []string{"", "a"}, "00000000 01000000 61"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := unhex(t, tt.want)
			if got := abi.AppendValues(nil, tt.values); !bytes.Equal(got, want) {
				t.Errorf("AppendValues = %x, want %x", got, want)
			}
			got, err := abi.ParseValues(want)
			if err != nil || !slices.Equal(got, tt.values) {
				t.Errorf("ParseValues = %q, %v; want %q", got, err, tt.values)
			}
		})
	}
	for name, list := range map[string]string{"length cut": "0100", "value cut": "02000000 61", "length of 4 GiB": "ffffffff 61"} {
		if vs, err := abi.ParseValues(unhex(t, list)); !errors.Is(err, abi.ErrBlock) || vs != nil {
			t.Errorf("%s: got %q, %v; want ErrBlock", name, vs, err)
		}
	}
	if _, err := abi.ParseValues(make([]byte, 4*abi.MaxHeaders)); err != nil {
		t.Errorf("%d values: %v", abi.MaxHeaders, err)
	}
	if _, err := abi.ParseValues(make([]byte, 4*(abi.MaxHeaders+1))); !errors.Is(err, abi.ErrBlock) {
		t.Errorf("%d values: %v, want ErrBlock", abi.MaxHeaders+1, err)
	}
}

func TestResultGolden(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		errno abi.Errno
		low   uint32
		want  uint64
	}{
		{abi.OK, 0, 0},
		{abi.OK, 5, 5},
		{abi.OK, 0xffffffff, 0x00000000_ffffffff},
		{abi.NotFound, 0, 0x00000002_00000000},
		{abi.Internal, 1, 0x0000000c_00000001},
		{0xffffffff, 0xffffffff, 0xffffffff_ffffffff},
	} {
		if got := abi.Result(tt.errno, tt.low); got != tt.want {
			t.Errorf("Result(%d, %d) = %#x, want %#x", tt.errno, tt.low, got, tt.want)
		}
		if e, low := abi.SplitResult(tt.want); e != tt.errno || low != tt.low {
			t.Errorf("SplitResult(%#x) = %d, %d", tt.want, e, low)
		}
	}
}

func FuzzParseHeaders(f *testing.F) {
	f.Add([]byte{})
	f.Add(abi.AppendHeaders(nil, []abi.Header{{Name: "A", Value: "bc"}}))
	f.Add(binary.LittleEndian.AppendUint32(nil, 1024))
	f.Fuzz(func(t *testing.T, b []byte) {
		hs, err := abi.ParseHeaders(b)
		if err != nil {
			if !errors.Is(err, abi.ErrBlock) || hs != nil {
				t.Errorf("got %d headers and %v", len(hs), err)
			}
			return
		}
		if len(hs) > abi.MaxHeaders {
			t.Errorf("%d headers", len(hs))
		}
		// There is one way to write a block: what was read writes the same.
		if again := abi.AppendHeaders(nil, hs); len(b) > 0 && !bytes.Equal(again, b) {
			t.Errorf("read %x, wrote %x", b, again)
		}
	})
}

func FuzzParseValues(f *testing.F) {
	f.Add([]byte{})
	f.Add(abi.AppendValues(nil, []string{"a", "", "bc"}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		vs, err := abi.ParseValues(b)
		if err != nil {
			if !errors.Is(err, abi.ErrBlock) || vs != nil {
				t.Errorf("got %d values and %v", len(vs), err)
			}
			return
		}
		if again := abi.AppendValues(nil, vs); !bytes.Equal(again, b) {
			t.Errorf("read %x, wrote %x", b, again)
		}
	})
}

func BenchmarkParseHeaders(b *testing.B) {
	hs := make([]abi.Header, 15)
	for i := range hs {
		hs[i] = abi.Header{Name: "X-Some-Header", Value: "some value of a usual length"}
	}
	block := abi.AppendHeaders(nil, hs)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := abi.ParseHeaders(block); err != nil {
			b.Fatal(err)
		}
	}
}
