package abi

import (
	"net/url"
	"strings"
)

// FetchRequest is an outbound HTTP request of a plugin, less its body.
type FetchRequest struct {
	// Method is GET if it is empty.
	Method string `json:"method,omitempty"`
	// URL is absolute, http or https.
	URL string `json:"url"`
	// Headers are names and values. Those that belong to the connection, frame the
	// message or name the host are the edge's.
	Headers [][2]string `json:"headers,omitzero"`
	// Timeout bounds all of it, the answer's body included; default 30s, and at
	// most what is left of the request's deadline.
	Timeout Duration `json:"timeout,omitempty"`
	// Redirect is "follow" (the default, at most 10 times), "manual" or "error".
	Redirect Redirect `json:"redirect,omitempty"`
	// Body is "request" if the client's body is to be sent, in place of bytes.
	Body string `json:"body,omitempty"`
	// Sandbox, with Port, has the request sent to that port of a sandbox, which is
	// started for it. The URL's host is then no more than the Host header's value, and
	// a redirect is the answer.
	Sandbox *SandboxRef `json:"sandbox,omitempty"`
	Port    int         `json:"port,omitempty"`
}

// Redirect is what becomes of an answer that sends the plugin elsewhere.
type Redirect string

// The values of FetchRequest.Redirect.
const (
	RedirectFollow Redirect = "follow" // the default
	RedirectManual Redirect = "manual" // it is the answer
	RedirectError  Redirect = "error"  // it fails the fetch
)

// FetchBodyRequest is the one value of FetchRequest.Body.
const FetchBodyRequest = "request"

// Check returns INVALID_REQUEST for what cannot be sent. A missing method and
// redirect get their defaults.
func (r *FetchRequest) Check() error {
	if r.Method == "" {
		r.Method = "GET"
	}
	if r.Redirect == "" {
		r.Redirect = RedirectFollow
	}
	u, err := url.Parse(r.URL)
	switch {
	case err != nil:
		return Errorf(CodeInvalidRequest, "fetch: %.200q is no URL", r.URL)
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return Errorf(CodeInvalidRequest, "fetch: %.200q is no absolute URL of http or https", r.URL)
	case u.User != nil:
		return Errorf(CodeInvalidRequest, "fetch: the URL holds a password").WithSuggestion("send it as an Authorization header")
	case !ValidToken(r.Method) || r.Method == "CONNECT" || r.Method == "TRACE":
		return Errorf(CodeInvalidRequest, "fetch: the method %.50q cannot be sent", r.Method)
	case r.Redirect != RedirectFollow && r.Redirect != RedirectManual && r.Redirect != RedirectError:
		return Errorf(CodeInvalidRequest, "fetch: redirect is %.20q, not follow, manual or error", string(r.Redirect))
	case r.Body != "" && r.Body != FetchBodyRequest:
		return Errorf(CodeInvalidRequest, `fetch: body is %.20q, not "request"`, r.Body)
	case r.Sandbox == nil && r.Port != 0:
		return Errorf(CodeInvalidRequest, "fetch: port %d is of no sandbox", r.Port)
	case len(r.Headers) > MaxHeaders:
		return Errorf(CodeInvalidRequest, "fetch: %d headers are more than %d", len(r.Headers), MaxHeaders)
	}
	return r.checkHeaders()
}

func (r *FetchRequest) checkHeaders() error {
	size := 0
	for _, h := range r.Headers {
		switch size += len(h[0]) + len(h[1]); {
		case !ValidToken(h[0]):
			return Errorf(CodeInvalidRequest, "fetch: header name %.100q is no token", h[0])
		case !ValidValue(h[1]):
			return Errorf(CodeInvalidRequest, "fetch: header %s: the value holds a control character", h[0])
		case framesRequest(h[0]):
			return Errorf(CodeInvalidRequest, "fetch: header %s is the host's to write", h[0])
		case size > MaxHeaderBytes:
			return Errorf(CodeInvalidRequest, "fetch: the headers are longer than %d bytes", MaxHeaderBytes)
		}
	}
	return nil
}

// framesRequest tells whether a header of an outbound request is the host's: the
// authority, framing, and what belongs to one hop (RFC 9110, sections 7.2 and
// 7.6.1; RFC 9112, section 6).
func framesRequest(name string) bool {
	switch strings.ToLower(name) {
	case "host", "te", "keep-alive", "expect", "proxy-connection", "proxy-authenticate", "proxy-authorization":
		return true
	}
	return FramesAnswer(name)
}
