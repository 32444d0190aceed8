package abi

import "strconv"

// Errno is the error number that a host function returns to a module. Numbers
// are append-only: a module built years ago still reads them right.
type Errno uint32

// The error numbers of ABI version 1.
const (
	OK          Errno = 0
	Invalid     Errno = 1  // the caller said something that cannot be meant
	NotFound    Errno = 2  // what was named does not exist
	Denied      Errno = 3  // it exists and the caller may not have it
	Timeout     Errno = 4  // the deadline passed; work may have started
	Busy        Errno = 5  // right now impossible, later perhaps
	Quota       Errno = 6  // a configured limit is reached
	Unavailable Errno = 7  // the runtime or the sandbox cannot be reached
	TooLarge    Errno = 8  // larger than the documented limit
	Closed      Errno = 9  // the handle's life is over
	Already     Errno = 10 // it is there already, or a decision was made
	Unsupported Errno = 11 // this host does not have it; feature() says so too
	Internal    Errno = 12 // a defect of the host; the text is in its log only
)

var errnoNames = [...]string{
	OK: "OK", Invalid: "INVALID", NotFound: "NOT_FOUND", Denied: "DENIED",
	Timeout: "TIMEOUT", Busy: "BUSY", Quota: "QUOTA", Unavailable: "UNAVAILABLE",
	TooLarge: "TOO_LARGE", Closed: "CLOSED", Already: "ALREADY",
	Unsupported: "UNSUPPORTED", Internal: "INTERNAL",
}

// String returns the number's name in SPEC.md, or "ERRNO_n" for an unknown one.
func (e Errno) String() string {
	if int(e) < len(errnoNames) {
		return errnoNames[e]
	}
	return "ERRNO_" + strconv.FormatUint(uint64(e), 10)
}

// Result packs what a host function returns: errno in the high half, a length
// or a handle in the low half.
func Result(e Errno, low uint32) uint64 { return uint64(e)<<32 | uint64(low) }

// SplitResult undoes Result.
func SplitResult(r uint64) (e Errno, low uint32) { return Errno(r >> 32), uint32(r) }
