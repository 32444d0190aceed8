//go:build wasip1

// Command flat is a plugin in Go without the SDK: two host calls and a decision,
// to measure what a guest of the stock toolchain costs at least.
package main

import "unsafe"

//go:wasmimport edge1 req_get
func reqGet(req, field uint32, ptr unsafe.Pointer, room uint32) uint64

//go:wasmimport edge1 req_header
func reqHeader(req uint32, name unsafe.Pointer, size uint32, ptr unsafe.Pointer, room uint32) uint64

//go:wasmimport edge1 respond
func respond(req, status uint32, headers unsafe.Pointer, size uint32, body unsafe.Pointer, length uint32) uint64

var (
	buffer [256]byte
	accept = []byte("Accept")
	fine   = []byte("fine")
)

//go:wasmexport edge1
func marker() {}

//go:wasmexport edge_init
func start() int32 { return 0 }

//go:wasmexport edge_request
func request(req uint32) int32 {
	reqGet(req, 4, unsafe.Pointer(&buffer[0]), uint32(len(buffer)))
	reqHeader(req, unsafe.Pointer(&accept[0]), uint32(len(accept)), unsafe.Pointer(&buffer[0]), uint32(len(buffer)))
	respond(req, 200, nil, 0, unsafe.Pointer(&fine[0]), uint32(len(fine)))
	return 0
}

func main() {}
