package linear

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Image is what is in the memory of each instance of a module at first. It is safe for
// concurrent use, but for Track and Close.
type Image struct {
	size, most uint64 // of memory at first, and at the end
	// The file holds memory from at on, a multiple of the system's page. What lies before
	// and behind is zero.
	file    int // -1: there are zeros alone
	at      uint64
	content []byte // a view of the file
	pagemap int    // -1: Track was not called

	mu    sync.Mutex
	keeps int       // spare memories at most
	spare []*Memory // as Map makes them
}

// NewImage copies memory into an image, of which each instance may grow to most bytes.
// Both are multiples of 64 KiB. The error is ErrUnavailable, or says which size is none.
// Close ends the image.
func NewImage(memory []byte, most uint64) (*Image, error) {
	size := uint64(len(memory))
	if size%page != 0 || most%page != 0 || most < size {
		return nil, fmt.Errorf("an image of %d bytes in memories of at most %d: they are not pages of %d, or do not fit", size, most, page)
	}
	from, to := content(memory, os.Getpagesize())
	i := &Image{size: size, most: most, at: uint64(from), file: -1, pagemap: -1}
	if from == to {
		return i, nil
	}
	err := i.store(memory[from:to])
	if err != nil {
		_ = i.Close() // the error that is there says more
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return i, nil
}

// content returns where the pages begin and end that are not zero.
func content(memory []byte, page int) (from, to int) {
	to = len(memory)
	for to > 0 && zero(memory[to-page:to]) {
		to -= page
	}
	for from < to && zero(memory[from:from+page]) {
		from += page
	}
	return from, to
}

func zero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

// store puts b into a file in memory that nobody can change any more. Programs that this
// process starts do not inherit it.
func (i *Image) store(b []byte) (err error) {
	const name, flags = "edge-instance", unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	i.file, err = unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		i.file, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	if err := write(i.file, b); err != nil {
		return err
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(i.file), unix.F_ADD_SEALS, seals); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	// Private, for kernels before 6.7 refuse any shared mapping of what is sealed.
	i.content, err = unix.Mmap(i.file, 0, len(b), unix.PROT_READ, unix.MAP_PRIVATE)
	return os.NewSyscallError("mmap", err)
}

// write writes all of b, its zeros too: a page that the file had not got yet might not be
// to be had later, when that is a signal and no error.
func write(file int, b []byte) error {
	for at := 0; at < len(b); {
		n, err := unix.Pwrite(file, b[at:], int64(at))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("pwrite", err)
		}
		at += max(n, 0)
	}
	return nil
}

// Size is that of memory at first, in bytes.
func (i *Image) Size() uint64 { return i.size }

// Copy writes n bytes of the image, from at on, to the same place of memory, with zeros
// behind the image. It panics if memory is shorter.
func (i *Image) Copy(memory []byte, at, n uint64) {
	b := memory[at : at+n]
	from := min(max(at, i.at), at+n) - at
	to := max(min(at+n, i.at+uint64(len(i.content))), at+from) - at
	clear(b[:from])
	if from < to {
		copy(b[from:to], i.content[at+from-i.at:])
	}
	clear(b[to:])
}

// Track has the memories of the image tell which of their pages were written to
// (Memory.Written), and so many that were freed be kept for Map, which is worth it where
// instances come and go: a page that is written to first costs a hundred times what it
// takes to copy it. The error is that the system does not say; nothing is lost then but
// time. It is called before Map, and once.
func (i *Image) Track(keeps int) error {
	const name = "/proc/self/pagemap"
	file, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	i.pagemap, i.keeps = file, keeps
	return nil
}

// pop returns a memory that was kept, or nil.
func (i *Image) pop() *Memory {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := len(i.spare)
	if n == 0 {
		return nil
	}
	m := i.spare[n-1]
	i.spare = i.spare[:n-1]
	return m
}

// full tells whether no more memories are to be kept.
func (i *Image) full() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.spare) >= i.keeps
}

// push keeps a memory; it is false if there are enough.
func (i *Image) push(m *Memory) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.spare) >= i.keeps {
		return false
	}
	i.spare = append(i.spare, m)
	return true
}

// Close frees the image. Memories of it go on as they are, but tell no more what was
// written to.
func (i *Image) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, m := range i.spare {
		m.unmap()
	}
	i.spare, i.keeps = nil, 0
	var errs []error
	if i.content != nil {
		errs = append(errs, os.NewSyscallError("munmap", unix.Munmap(i.content)))
		i.content = nil
	}
	for _, file := range []*int{&i.file, &i.pagemap} {
		if *file >= 0 {
			errs = append(errs, os.NewSyscallError("close", unix.Close(*file)))
			*file = -1
		}
	}
	return errors.Join(errs...)
}
