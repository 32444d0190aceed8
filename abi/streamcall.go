package abi

import "encoding/json"

// StreamCall names an operation that is a stream, with its request: what a Connect
// gives a client in the place of a port.
type StreamCall struct {
	// Name is the operation's: one that sends events, or that sends and takes
	// events and bytes. Files are for requests without a WebSocket.
	Name string `json:"name"`
	// Request is the operation's request without "sandbox", a JSON object; none is
	// an empty one.
	Request json.RawMessage `json:"request,omitempty"`
}

// Call returns the JSON by which the operation is asked for in that sandbox (see
// SplitCall). UNKNOWN_OPERATION or UNSUPPORTED is a name that cannot be carried out
// for a client, INVALID_REQUEST a request that the operation does not have.
func (c *StreamCall) Call(ref SandboxRef) (json.RawMessage, error) {
	row := Lookup(c.Name)
	if row == nil {
		return nil, Errorf(CodeUnknownOperation, "stream: there is no operation %.40q", c.Name)
	}
	switch row.Kind() {
	case KindEvents, KindDuplex:
	case KindCall:
		return nil, Errorf(CodeUnsupported, "stream: operation %s answers once and is not a stream", row.Name())
	default:
		return nil, Errorf(CodeUnsupported, "stream: operation %s moves a file, and is not given to a client's WebSocket", row.Name()).
			WithSuggestion("open it with op_open, and answer with its bytes or read them from the request's body")
	}
	fields := map[string]json.RawMessage{}
	if len(c.Request) > 0 {
		if err := json.Unmarshal(c.Request, &fields); err != nil {
			return nil, Errorf(CodeInvalidRequest, "stream: the request of %s is not a JSON object: %s", row.Name(), JSONReason(err))
		}
	}
	if fields == nil { // null
		fields = map[string]json.RawMessage{}
	}
	if _, has := fields["sandbox"]; has {
		return nil, Errorf(CodeInvalidRequest, "stream: the request of %s names a sandbox; the decision does that", row.Name())
	}
	sandbox, err := json.Marshal(ref)
	if err != nil {
		return nil, Errorf(CodeInvalidRequest, "stream: %v", err)
	}
	fields["sandbox"] = sandbox
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, Errorf(CodeInvalidRequest, "stream: %v", err)
	}
	if _, _, err := SplitCall(row, body); err != nil {
		e := *AsError(err)
		e.Message = "stream: " + e.Message
		return nil, &e
	}
	return body, nil
}
