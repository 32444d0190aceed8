package linear

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Memory is one instance's memory, a private mapping of an image: what one writes is
// seen by nobody else. One goroutine at a time uses it. It is outside of Go's heap, and
// the address of its first byte does not change.
type Memory struct {
	image   *Image
	base    unsafe.Pointer // of the reservation; nil once it is unmapped
	size    uint64         // bytes that are accessible
	freed   bool
	entries []byte // of the pagemap, a piece of it
}

// Map makes the memory of an instance. It holds the image's content already. The error
// is ErrUnavailable: the kernel may have no mapping left (vm.max_map_count; a memory
// takes up to four), or no addresses (RLIMIT_AS). Free ends the memory.
func (i *Image) Map() (*Memory, error) {
	if m := i.pop(); m != nil {
		m.freed = false
		return m, nil
	}
	m := &Memory{image: i}
	if i.most == 0 {
		return m, nil
	}
	if err := m.reserve(); err != nil {
		m.unmap()
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return m, nil
}

// reserve makes the mapping.
func (m *Memory) reserve() (err error) {
	// Nothing is reserved but addresses: memory is what is written to.
	const flags = unix.MAP_PRIVATE | unix.MAP_NORESERVE
	i := m.image
	m.base, err = unix.MmapPtr(-1, 0, nil, uintptr(i.most), unix.PROT_NONE, flags|unix.MAP_ANON)
	if err != nil {
		m.base = nil
		return os.NewSyscallError("mmap", err)
	}
	if err := m.open(i.size); err != nil || len(i.content) == 0 {
		return err
	}
	_, err = unix.MmapPtr(i.file, 0, unsafe.Add(m.base, i.at), uintptr(len(i.content)), unix.PROT_READ|unix.PROT_WRITE, flags|unix.MAP_FIXED)
	return os.NewSyscallError("mmap", err)
}

// bytes is a view of memory; what lies beyond size is not accessible.
func (m *Memory) bytes(from, to uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(m.base, from)), to-from)
}

// open makes the bytes up to size accessible.
func (m *Memory) open(size uint64) error {
	if size <= m.size {
		return nil
	}
	if err := unix.Mprotect(m.bytes(m.size, size), unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return os.NewSyscallError("mprotect", err)
	}
	m.size = size
	return nil
}

// Reallocate returns the first size bytes of memory, which grows if it was smaller; what
// is new is zero. It is nil, and nothing has changed, if memory may not be so large, if
// the kernel refuses it, or after Free.
func (m *Memory) Reallocate(size uint64) []byte {
	if size > m.image.most || m.base == nil || m.freed || m.open(size) != nil {
		return nil
	}
	return m.bytes(0, size)
}

// Free gives the memory back. Whoever looks at it later crashes the process, or sees
// another's: nobody may have a slice of it any more. A second Free does nothing, unless
// Map has returned the memory again.
func (m *Memory) Free() {
	if m.freed || m.base == nil {
		return
	}
	m.freed = true
	if m.image.full() || !m.restore() || !m.image.push(m) {
		m.unmap()
	}
}

func (m *Memory) unmap() {
	if m.base != nil {
		_ = unix.MunmapPtr(m.base, uintptr(m.image.most)) // fails for no mapping of ours
		m.base = nil
	}
}

// restore makes memory what Map made it. It is false if that is not possible.
func (m *Memory) restore() bool {
	if grown := m.image.size; m.size > grown {
		b := m.bytes(grown, m.size)
		if unix.Madvise(b, unix.MADV_DONTNEED) != nil || unix.Mprotect(b, unix.PROT_NONE) != nil {
			return false
		}
		m.size = grown
	}
	b := m.bytes(0, m.size)
	return m.Written(func(at, n uint64) { m.image.Copy(b, at, n) })
}

// Of an entry of /proc/pid/pagemap (Documentation/admin-guide/mm/pagemap.rst).
const (
	pagemapEntry   = 8       // bytes, in the machine's order
	pagemapFile    = 1 << 61 // the page is the file's
	pagemapSwapped = 1 << 62
	pagemapPresent = 1 << 63
	pagemapPiece   = 4 << 10 // bytes of it that are read at a time
)

// Written calls f for runs of n bytes from at on, in ascending order, that cover all
// pages that were ever written to; the others are as in the image, or zero. It is false
// if the system does not say, whatever it called f for.
func (m *Memory) Written(f func(at, n uint64)) bool {
	if m.image.pagemap < 0 || m.base == nil {
		return false
	}
	if m.entries == nil {
		m.entries = make([]byte, pagemapPiece)
	}
	unit := uint64(os.Getpagesize())
	first := uint64(uintptr(m.base)) / unit
	begin, end := uint64(0), uint64(0) // of the run
	for at := uint64(0); at < m.size; {
		piece := m.entries[:min(pagemapPiece, (m.size-at)/unit*pagemapEntry)]
		n, err := unix.Pread(m.image.pagemap, piece, int64((first+at/unit)*pagemapEntry))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 || n%pagemapEntry != 0 {
			return false
		}
		for piece = piece[:n]; len(piece) > 0; piece, at = piece[pagemapEntry:], at+unit {
			if !written(binary.NativeEndian.Uint64(piece)) {
				continue
			}
			if at != end {
				if end > begin {
					f(begin, end-begin)
				}
				begin = at
			}
			end = at + unit
		}
	}
	if end > begin {
		f(begin, end-begin)
	}
	return true
}

// written tells of a page's entry whether the page is the memory's own: there, or
// swapped, and not the file's.
func written(entry uint64) bool {
	return entry&(pagemapPresent|pagemapSwapped) != 0 && entry&pagemapFile == 0
}
