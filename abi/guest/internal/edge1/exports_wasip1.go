package edge1

// marker says which major version the module was built for; it is never called.
//
//go:wasmexport edge1
func marker() {}

//go:wasmexport edge_init
func edgeInit() int32 { return Init() }

//go:wasmexport edge_request
func edgeRequest(req uint32) int32 { return Request(req) }

//go:wasmexport edge_selftest
func edgeSelftest() int32 { return SelfTest() }

//go:wasmexport edge_event
func edgeEvent(event uint32) int32 { return Event(event) }
