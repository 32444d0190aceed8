// Command goguest is a plugin that uses the ABI directly, without the SDK, and
// what a stock Go program leans on: output, the clock, sleep, randomness,
// goroutines, the environment, and files that are not there. It leaves out the
// large packages, because tests compile it.
package main

import (
	"math/rand/v2"
	"os"
	"strconv"
	"time"
	"unsafe"
)

//go:wasmimport edge1 req_get
func reqGet(req, field uint32, ptr unsafe.Pointer, size uint32) uint64

//go:wasmimport edge1 respond
func respond(req, status uint32, headers unsafe.Pointer, headersLen uint32, body unsafe.Pointer, bodyLen uint32) uint64

//go:wasmexport edge1
func edge1() {}

//go:wasmexport edge_init
func edgeInit() uint32 {
	_, _ = os.Stdout.WriteString("hello from init\n")
	return 0
}

//go:wasmexport edge_request
func edgeRequest(req uint32) int32 {
	path := make([]byte, 64)
	n := uint32(reqGet(req, 4, unsafe.Pointer(&path[0]), uint32(len(path))))
	switch string(path[:n]) {
	case "/panic":
		panic("on purpose")
	case "/exit":
		os.Exit(3)
	case "/grow":
		_ = make([]byte, 256<<20)
	}
	began := time.Now()
	slept := make(chan time.Duration)
	go func() {
		time.Sleep(2 * time.Millisecond)
		slept <- time.Since(began)
	}()
	_, fileErr := os.ReadFile("/etc/passwd")
	report := []byte(string(path[:n]) + " year=" + strconv.Itoa(began.Year()) +
		" slept=" + strconv.FormatBool(<-slept >= 2*time.Millisecond) +
		" random=" + strconv.FormatBool(rand.Uint64() != rand.Uint64()) +
		" env=" + strconv.Itoa(len(os.Environ())) + " file=" + strconv.FormatBool(fileErr == nil))
	_, _ = os.Stderr.WriteString("served " + string(path[:n]) + "\n")
	if respond(req, 200, nil, 0, unsafe.Pointer(&report[0]), uint32(len(report)))>>32 != 0 {
		return -12
	}
	return 0
}

func main() {}
