package host

import (
	"encoding/base64"
	"strings"
)

// checkUpgrade checks a WebSocket handshake (RFC 6455, section 4.2.1). A request
// is one when Upgrade names websocket and Connection names upgrade; with only
// one of the two it is an ordinary request (RFC 9110, section 7.8), which a
// Connect decision answers with 426.
func (h *head) checkUpgrade(f *fields) *refusal {
	if !f.websocket {
		return nil
	}
	asked := false
	for _, t := range f.connection {
		asked = asked || strings.EqualFold(t, "upgrade")
	}
	if !asked {
		return nil
	}
	switch {
	case h.method != "GET":
		return refuse(400, "a WebSocket handshake is a GET request, not %s", h.method)
	case h.contentLength != 0:
		return refuse(400, "a WebSocket handshake has no body")
	case f.versions != 1 || f.version != "13":
		return refuse(426, "Sec-WebSocket-Version must be 13")
	case f.keys != 1 || !validKey(f.key):
		return refuse(400, "Sec-WebSocket-Key must be there once and be 16 bytes in base64")
	}
	h.upgrade = true
	return nil
}

func validKey(key string) bool {
	if len(key) != 24 {
		return false
	}
	var nonce [18]byte
	n, err := base64.StdEncoding.Strict().Decode(nonce[:], []byte(key))
	return err == nil && n == 16
}
