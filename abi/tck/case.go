//go:build !wasip1

package tck

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"edge/abi"
)

//go:embed guest.json
var guestCases []byte

//go:embed raw.json
var rawCases []byte

// GuestCase is what a guest program does with /case/NAME.
type GuestCase struct {
	Name string `json:"name"`
	// Doc is what the guest does, for whoever writes one in another language.
	Doc     string  `json:"doc"`
	Request Request `json:"request,omitzero"`
	Host    Host    `json:"host,omitzero"`
	Want    Want    `json:"want"`
}

// RawCase is calls of the ABI, one after the other, in one request.
type RawCase struct {
	Name    string  `json:"name"`
	Doc     string  `json:"doc,omitempty"`
	Request Request `json:"request,omitzero"`
	Host    Host    `json:"host,omitzero"`
	// Steps are done in edge_request, or in edge_init for a case with Init.
	Steps []Step `json:"steps"`
	Init  bool   `json:"init,omitempty"`
	// Completions are what edge_complete is told of, in order. A case that has some
	// is an asynchronous module: edge_request answers 1, and the last completion
	// responds.
	Completions []Completion `json:"completions,omitempty"`
	// Trap says that the last step traps: the request fails, and another one after
	// it is served by another instance.
	Trap bool  `json:"trap,omitempty"`
	Want *Want `json:"want,omitempty"`
}

// Step is one call and its result.
type Step struct {
	Call string `json:"call"`
	Args []Arg  `json:"args,omitempty"`
	// Errno is the errno's name; "" is OK.
	Errno string `json:"errno,omitempty"`
	// Low is the result's low half; nil is not looked at.
	Low *uint32 `json:"low,omitempty"`
	// Bytes is what lies in the last buffer, as many bytes as Low says if there is
	// no more; a text, or base 64 with Base64.
	Bytes  *string `json:"bytes,omitempty"`
	Base64 string  `json:"base64,omitempty"`
	// Code is last_error's code right after the step.
	Code abi.Code `json:"code,omitempty"`
}

// Arg is one argument of a Step: what of its fields is set.
type Arg struct {
	Req   bool      `json:"req,omitempty"`   // the request's handle
	I32   *int64    `json:"i32,omitempty"`   // a number
	F64   *string   `json:"f64,omitempty"`   // a number as strconv writes it: "1.5", "NaN", "-Inf"
	Text  *string   `json:"text,omitempty"`  // pointer and length of these bytes
	Bytes *string   `json:"bytes,omitempty"` // the same in base 64
	Size  *uint32   `json:"size,omitempty"`  // pointer and length of so many bytes "x"
	Out   *uint32   `json:"out,omitempty"`   // pointer and size of a buffer
	At    *uint32   `json:"at,omitempty"`    // pointer of a buffer, without its size
	Low   *uint32   `json:"low,omitempty"`   // the low half of the result of an earlier step, from 0
	Bad   *[2]int64 `json:"bad,omitempty"`   // this pointer and length
}

// Completion is what edge_complete finds.
type Completion struct {
	// Step is the one that began it.
	Step  int    `json:"step"`
	Errno string `json:"errno,omitempty"`
	// Bytes is the result as a text; nil is not looked at.
	Bytes *string `json:"bytes,omitempty"`
}

// Request is the request of a case.
type Request struct {
	Method    string      `json:"method,omitempty"` // default GET
	Target    string      `json:"target,omitempty"` // default /case/NAME
	Headers   [][2]string `json:"headers,omitempty"`
	Body      string      `json:"body,omitempty"`
	WebSocket bool        `json:"webSocket,omitempty"`
}

// New returns the request, for the case of that name.
func (r Request) New(name string) *abi.Request {
	target := r.Target
	if target == "" {
		target = "/case/" + name
	}
	req := &abi.Request{
		ID: "tck-1", Method: r.Method, Scheme: "http", Host: "edge.test", RemoteAddr: "192.0.2.1:1234",
		Headers: []abi.Header{{Name: "Host", Value: "edge.test"}}, ContentLength: int64(len(r.Body)),
	}
	if req.Method == "" {
		req.Method = "GET"
	}
	req.Path, req.Query, req.HasQuery = strings.Cut(target, "?")
	for _, h := range r.Headers {
		req.Headers = append(req.Headers, abi.Header{Name: h[0], Value: h[1]})
	}
	if r.WebSocket {
		req.Headers = append(req.Headers, abi.Header{Name: "Upgrade", Value: "websocket"}, abi.Header{Name: "Connection", Value: "Upgrade"},
			abi.Header{Name: "Sec-WebSocket-Version", Value: "13"}, abi.Header{Name: "Sec-WebSocket-Key", Value: "dGhlIHNhbXBsZSBub25jZQ=="})
	}
	if r.Body != "" {
		req.Body = strings.NewReader(r.Body)
	}
	return req
}

// GuestCases returns the cases for guest programs, in order.
func GuestCases() ([]GuestCase, error) { return read[GuestCase]("guest.json", guestCases) }

// RawCases returns the cases of single calls, in order.
func RawCases() ([]RawCase, error) { return read[RawCase]("raw.json", rawCases) }

func read[T any](name string, text []byte) ([]T, error) {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	var cases []T
	if err := d.Decode(&cases); err != nil {
		return nil, fmt.Errorf("tck: %s: %w", name, err)
	}
	return cases, nil
}
