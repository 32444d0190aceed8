package linear

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pattern is a memory of so many pages with content from a byte on to another.
func pattern(pages, from, to int) []byte {
	b := make([]byte, pages*page)
	for i := from; i < to; i++ {
		b[i] = byte(i%251 + 1)
	}
	return b
}

// newImage makes an image for a test, which closes it.
func newImage(t testing.TB, memory []byte, most uint64) *Image {
	t.Helper()
	i, err := NewImage(memory, most)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	return i
}

// mapped makes a memory for a test, which frees it.
func mapped(t testing.TB, i *Image) *Memory {
	t.Helper()
	m, err := i.Map()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	return m
}

// TestImage has memories be the image, whatever of it is zero, and grow by zeros. A copy
// of the image is the same.
func TestImage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		memory []byte
	}{
		{"none", nil},
		{"zeros", make([]byte, 2*page)},
		{"full", pattern(3, 0, 3*page)},
		{"first byte", pattern(2, 0, 1)},
		{"last byte", pattern(2, 2*page-1, 2*page)},
		{"middle", pattern(40, 3*page+5, 33*page+7)},
		{"one page", pattern(1, 4096, 8192)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			size := uint64(len(tt.memory))
			i := newImage(t, tt.memory, size+4*page)
			if i.Size() != size {
				t.Errorf("its size is %d, want %d", i.Size(), size)
			}
			m := mapped(t, i)
			if got := m.Reallocate(size); !bytes.Equal(got, tt.memory) {
				t.Error("memory is not the image")
			}
			grown := m.Reallocate(size + 2*page)
			if !bytes.Equal(grown, append(bytes.Clone(tt.memory), make([]byte, 2*page)...)) {
				t.Error("memory that grew is not the image with zeros behind")
			}
			copied := bytes.Repeat([]byte{7}, len(grown))
			for at, n := uint64(0), uint64(0); at < uint64(len(copied)); at += n { // in pieces of all kinds
				n = min(3*4096, uint64(len(copied))-at)
				i.Copy(copied, at, n)
			}
			if !bytes.Equal(copied, grown) {
				t.Error("the copy is not the image with zeros behind")
			}
		})
	}
}

// TestRefused refuses sizes that no memory has, and more than there are addresses.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ size, most uint64 }{{page - 1, page}, {page, page + 1}, {2 * page, page}} {
		if _, err := NewImage(make([]byte, tt.size), tt.most); err == nil || errors.Is(err, ErrUnavailable) {
			t.Errorf("%d bytes of %d: %v", tt.size, tt.most, err)
		}
	}
	if _, err := newImage(t, make([]byte, page), 1<<60).Map(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("more than there are addresses: %v", err)
	}
}

// TestPrivate has no memory see what others write, nor those that come later, and none
// change the image.
func TestPrivate(t *testing.T) {
	t.Parallel()
	for _, keeps := range []int{0, 3} {
		t.Run(fmt.Sprintf("keeps %d", keeps), func(t *testing.T) {
			t.Parallel()
			testPrivate(t, keeps)
		})
	}
}

func testPrivate(t *testing.T, keeps int) {
	want := pattern(4, 100, 3*page)
	i := newImage(t, want, 8*page)
	if err := i.Track(keeps); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for range 50 {
				m, err := i.Map()
				if err != nil {
					t.Error(err)
					return
				}
				b := m.Reallocate(8 * page)
				if !bytes.Equal(b[:len(want)], want) || !zero(b[len(want):]) {
					t.Error("a memory begins with what another wrote")
				}
				for at := n; at < len(b); at += 1013 {
					b[at] = byte(n)
				}
				m.Free()
			}
		})
	}
	wg.Wait()
	if n := len(i.spare); n > keeps || keeps > 0 && n == 0 {
		t.Errorf("%d memories are kept, want at most %d", n, keeps)
	}
	if err := write(i.file, []byte("x")); !errors.Is(err, unix.EPERM) {
		t.Errorf("writing to the image: %v", err)
	}
	if err := unix.Ftruncate(i.file, 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("shortening the image: %v", err)
	}
	flags, err := unix.FcntlInt(uintptr(i.file), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("programs inherit the image (flags %#x, %v)", flags, err)
	}
}

// TestGrow grows a memory in place as far as it may, and refuses more.
func TestGrow(t *testing.T) {
	t.Parallel()
	m := mapped(t, newImage(t, pattern(1, 0, page), 3*page))
	first := m.Reallocate(page)
	first[0] = 'x'
	b := m.Reallocate(3 * page)
	if unsafe.SliceData(b) != unsafe.SliceData(first) || b[0] != 'x' {
		t.Error("memory moved")
	}
	b[3*page-1] = 'y'
	if m.Reallocate(3*page+1) != nil {
		t.Error("it grew beyond its bound")
	}
	if got := m.Reallocate(3 * page); len(got) != 3*page || cap(got) != 3*page || got[3*page-1] != 'y' {
		t.Error("it is not what it was before it was refused to grow")
	}
	m.Free()
	if m.Reallocate(page) != nil {
		t.Error("it is there after Free")
	}
}

// TestOutlives has memories go on when their image was closed.
func TestOutlives(t *testing.T) {
	t.Parallel()
	want := pattern(2, 0, 2*page)
	i, err := NewImage(want, 2*page)
	if err != nil {
		t.Fatal(err)
	}
	m := mapped(t, i)
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.Reallocate(2*page), want) || m.Written(func(_, _ uint64) {}) {
		t.Error("the memory is not the image's any more")
	}
}

// TestFree gives all mappings back but for those that are kept, and those with the image.
// It does not run beside others of this package, which map, too.
func TestFree(t *testing.T) {
	before := mappings(t)
	i, err := NewImage(pattern(3, page, 2*page), 16*page)
	if err != nil {
		t.Fatal(err)
	}
	const keeps = 4
	if err := i.Track(keeps); err != nil {
		t.Fatal(err)
	}
	var ms []*Memory
	for range 100 {
		m := mapped(t, i)
		m.Reallocate(5 * page)[0] = 'x'
		ms = append(ms, m)
	}
	if n := mappings(t); n != before+1+100 { // one is the image's own
		t.Errorf("%d mappings of 100 memories", n-before-1)
	}
	for _, m := range ms {
		m.Free()
		m.Free()
	}
	if n := mappings(t); n != before+1+keeps {
		t.Errorf("%d mappings are left, want the %d that are kept", n-before-1, keeps)
	}
	again := mapped(t, i)
	if n := mappings(t); n != before+1+keeps {
		t.Error("a memory that was kept is not used again")
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	if n := mappings(t); n != before+1 {
		t.Errorf("%d mappings are left after the image, want that of the memory in use", n-before)
	}
	again.Free()
	if n := mappings(t); n != before {
		t.Errorf("%d mappings are left", n-before)
	}
}

// mappings counts those of images.
func mappings(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), "memfd:edge-instance")
}

// TestWritten has all be told that was written to, in order, and of what was read alone
// nothing that the image has.
func TestWritten(t *testing.T) {
	t.Parallel()
	const size = 80 * page // more than one piece of the pagemap
	i := newImage(t, pattern(60, 2*page, 50*page), 2*size)
	untracked := mapped(t, i)
	if untracked.Written(func(_, _ uint64) {}) {
		t.Error("it tells although Track was not called")
	}
	if err := i.Track(0); err != nil {
		t.Fatal(err)
	}
	m := mapped(t, i)
	b := m.Reallocate(size)
	unit := os.Getpagesize()
	sum := 0
	for at := 2 * page; at < 50*page; at += unit {
		sum += int(b[at]) // which is no writing
	}
	runs := runsOf(t, m, size)
	if len(runs) != 0 || sum == 0 {
		t.Errorf("%d runs before anything was written", len(runs))
	}
	random := rand.New(rand.NewPCG(1, 2))
	want := map[int]bool{}
	for range 400 {
		at := random.IntN(size)
		b[at]++
		want[at/unit] = true
	}
	for _, at := range []int{0, size - 1} { // the ends
		b[at]++
		want[at/unit] = true
	}
	got := map[int]bool{}
	for _, r := range runsOf(t, m, size) {
		for p := r[0] / unit; p < r[1]/unit; p++ {
			got[p] = true
		}
	}
	for p := range want {
		if !got[p] {
			t.Errorf("page %d was written to and is not told", p)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d pages are told, %d were written to", len(got), len(want))
	}
}

// runsOf is what Written tells, begin and end of each run, which are in order.
func runsOf(t *testing.T, m *Memory, size int) (runs [][2]int) {
	t.Helper()
	end := -1
	if !m.Written(func(at, n uint64) {
		if int(at) <= end || n == 0 || int(at+n) > size {
			t.Errorf("a run from %d to %d after one to %d", at, at+n, end)
		}
		end = int(at + n)
		runs = append(runs, [2]int{int(at), end})
	}) {
		t.Fatal("it does not tell")
	}
	return runs
}

// BenchmarkMap is what the memory of one instance costs, 2.5 MiB of which it writes to
// every sixth page: copied, which the collector frees; mapped anew; kept, with the pages
// written back that were written to; and all of them dropped (MADV_DONTNEED), which is
// not what is done.
func BenchmarkMap(b *testing.B) {
	const size = 40 * page
	content := pattern(40, 0, size)
	use := func(m []byte) {
		for at := 0; at < size; at += 6 * 4096 {
			m[at]++
		}
	}
	begin := func(b *testing.B, keeps int) (i *Image, report func()) {
		i = newImage(b, content, 1024*page)
		if err := i.Track(keeps); err != nil {
			b.Fatal(err)
		}
		begun := processor(b)
		return i, func() { b.ReportMetric((processor(b)-begun)/float64(b.N), "cpu-us/op") }
	}
	b.Run("copied", func(b *testing.B) {
		_, report := begin(b, 0)
		defer report()
		for b.Loop() {
			use(bytes.Clone(content))
		}
	})
	for name, keeps := range map[string]int{"mapped": 0, "kept": 1} {
		b.Run(name, func(b *testing.B) {
			i, report := begin(b, keeps)
			defer report()
			for b.Loop() {
				m, err := i.Map()
				if err != nil {
					b.Fatal(err)
				}
				use(m.Reallocate(size))
				m.Free()
			}
		})
	}
	b.Run("dropped", func(b *testing.B) {
		i, report := begin(b, 0)
		defer report()
		memory := mapped(b, i).Reallocate(size)
		for b.Loop() {
			use(memory)
			if err := unix.Madvise(memory, unix.MADV_DONTNEED); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// processor is the processor time that the tests have used, in microseconds.
func processor(b *testing.B) float64 {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1000
}
