//go:build !wasip1

package guesttest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"

	"edge/abi"
	"edge/abi/guest"
)

// Fetch implements edge1.Host.
func (b *border) Fetch(req uint32, text, body []byte) uint64 {
	if !b.open(req) {
		return closed()
	}
	asked, err := b.fetchRequest(text, body)
	if err != nil {
		return b.fail(err)
	}
	b.result.Fetches = append(b.result.Fetches, asked)
	if b.host.Fetch == nil {
		return b.fail(abi.Errorf(abi.CodeDenied, "fetch: %s is not granted; the test set no Fetch", asked.URL))
	}
	if len(b.fetches) >= 16 {
		return b.fail(abi.Errorf(abi.CodeQuotaExceeded, "16 fetches of this request are open already"))
	}
	answer, err := b.host.Fetch(asked)
	if err != nil {
		return b.fail(err)
	}
	kept := *answer
	if kept.Body == nil {
		kept.Body = http.NoBody
	}
	if kept.URL == "" {
		kept.URL = asked.URL
	}
	handle := b.newHandle()
	b.fetches[handle] = &kept
	return ok(handle)
}

// fetchRequest checks what the edge checks.
func (b *border) fetchRequest(text, body []byte) (Fetch, error) {
	var r abi.FetchRequest
	if err := strict(text, &r); err != nil {
		return Fetch{}, abi.Errorf(abi.CodeInvalidRequest, "fetch: %s", abi.JSONReason(err))
	}
	if err := r.Check(); err != nil {
		return Fetch{}, err
	}
	asked := Fetch{Method: r.Method, URL: r.URL, Redirect: r.Redirect, Timeout: r.Timeout.D(), Body: bytes.Clone(body)}
	for _, h := range r.Headers {
		asked.Headers = append(asked.Headers, abi.Header{Name: h[0], Value: h[1]})
	}
	if r.Body == abi.FetchBodyRequest && b.req.Body != nil {
		var err error
		if asked.Body, err = io.ReadAll(b.req.Body); err != nil {
			return Fetch{}, err
		}
	}
	return asked, nil
}

// fetched returns an open answer, or nil.
func (b *border) fetched(req, fetch uint32) *guest.FetchResponse {
	if !b.open(req) {
		return nil
	}
	return b.fetches[fetch]
}

// FetchHead implements edge1.Host.
func (b *border) FetchHead(req, fetch uint32, buf []byte) uint64 {
	a := b.fetched(req, fetch)
	if a == nil {
		return closed()
	}
	head := binary.LittleEndian.AppendUint32(nil, uint32(a.Status))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(a.URL)))
	return b.give(buf, abi.AppendHeaders(append(head, a.URL...), a.Headers))
}

// FetchRead implements edge1.Host.
func (b *border) FetchRead(req, fetch uint32, buf []byte) uint64 {
	a := b.fetched(req, fetch)
	switch {
	case a == nil:
		return closed()
	case len(buf) == 0:
		return b.fail(abi.Errorf(abi.CodeInvalidRequest, "fetch_read: the buffer has no room"))
	}
	for {
		n, err := a.Body.Read(buf)
		switch {
		case n > 0:
			return ok(uint32(n))
		case errors.Is(err, io.EOF):
			return ok(0)
		case err != nil:
			return b.fail(err)
		}
	}
}

// FetchClose implements edge1.Host.
func (b *border) FetchClose(req, fetch uint32) uint64 {
	a := b.fetched(req, fetch)
	if a == nil {
		return closed()
	}
	delete(b.fetches, fetch)
	_ = a.Body.Close() // the test's own
	return ok(0)
}
