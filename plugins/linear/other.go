//go:build !linux

package linear

// Image is what is in the memory of each instance of a module at first. There is none
// on this system.
type Image struct{}

// NewImage returns ErrUnavailable.
func NewImage([]byte, uint64) (*Image, error) { return nil, ErrUnavailable }

// Size is 0.
func (*Image) Size() uint64 { return 0 }

// Copy does nothing.
func (*Image) Copy(_ []byte, _, _ uint64) {}

// Track returns ErrUnavailable.
func (*Image) Track(int) error { return ErrUnavailable }

// Map returns ErrUnavailable.
func (*Image) Map() (*Memory, error) { return nil, ErrUnavailable }

// Close does nothing.
func (*Image) Close() error { return nil }

// Memory is one instance's memory. There is none on this system.
type Memory struct{}

// Reallocate returns nil.
func (*Memory) Reallocate(uint64) []byte { return nil }

// Free does nothing.
func (*Memory) Free() {}

// Written is false.
func (*Memory) Written(func(at, n uint64)) bool { return false }
