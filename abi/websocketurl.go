package abi

import (
	"net/url"
	"slices"
	"strings"
)

// WebSocketURLOptions are the JSON that ws_url_start takes.
type WebSocketURLOptions struct {
	Protocols []string    `json:"protocols,omitempty"`
	Headers   [][2]string `json:"headers,omitempty"` // of the handshake, besides its own
}

// WebSocketHead is what ws_head tells of a handshake (RFC 6455, section 4.2.2).
type WebSocketHead struct {
	Status   int         `json:"status"`   // 101
	Protocol string      `json:"protocol"` // the subprotocol that the server chose; empty is none
	Headers  [][2]string `json:"headers"`
}

// CheckWebSocketURL returns the URL, of http or https, that a WebSocket's handshake goes
// to. raw is of ws, wss, http or https. INVALID_REQUEST for what cannot be opened.
func CheckWebSocketURL(raw string, o *WebSocketURLOptions) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, Errorf(CodeInvalidRequest, "ws_url: %.200q is no URL", raw)
	}
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	}
	u.Fragment, u.RawFragment = "", ""
	r := FetchRequest{URL: u.String(), Headers: o.Headers}
	if err := r.Check(); err != nil {
		e := AsError(err)
		e.Message = strings.Replace(e.Message, "fetch: ", "ws_url: ", 1)
		return nil, e
	}
	for _, h := range o.Headers {
		if strings.HasPrefix(strings.ToLower(h[0]), "sec-websocket-") {
			return nil, Errorf(CodeInvalidRequest, "ws_url: header %s is the host's to write", h[0])
		}
	}
	for i, p := range o.Protocols {
		if !ValidToken(p) || slices.Contains(o.Protocols[:i], p) {
			return nil, Errorf(CodeInvalidRequest, "ws_url: the subprotocol %.60q is no token, or there twice", p)
		}
	}
	return u, nil
}
