package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"edge/abi"
	"edge/plugins"
)

// Names of the calls that are no operations.
const (
	callFetch    = "fetch"
	callKVGet    = "kv.get"
	callKVSet    = "kv.set"
	callKVDelete = "kv.delete"
	callKVList   = "kv.list"
	callSocket   = "wsOpen"
	callURL      = "wsURL"
	callPreview  = "preview" // asked by the host for proxy; it is never compared
)

// Why an answer is not in a recording.
const (
	missingLarge   = "the answer is larger than 64 KiB"
	missingStream  = "streams and WebSockets are not recorded"
	missingPending = "it had not been answered when the request was decided"
)

// A fetchCall is the request of a fetch.
type fetchCall struct {
	Method   string       `json:"method"`
	URL      string       `json:"url"`
	Headers  Headers      `json:"headers,omitempty"`
	Redirect abi.Redirect `json:"redirect,omitempty"`
	Body     Text         `json:"body,omitempty"`
	// Streamed is true if the client's body was sent on.
	Streamed bool `json:"streamed,omitempty"`
}

func fetchCallOf(r plugins.FetchRequest) fetchCall {
	c := fetchCall{Method: r.Method, URL: r.URL, Headers: r.Headers, Redirect: r.Redirect, Body: r.Data, Streamed: r.Stream != nil}
	if c.Redirect == abi.RedirectFollow {
		c.Redirect = "" // the default
	}
	return c
}

// A fetchAnswer is what a fetch was answered.
type fetchAnswer struct {
	Status  int     `json:"status"`
	URL     string  `json:"url,omitempty"` // if it is another than the one asked for
	Headers Headers `json:"headers,omitempty"`
	Body    Text    `json:"body,omitempty"`
	// Unread is true if the plugin did not read all of the body.
	Unread bool `json:"unread,omitempty"`
}

// kvCall is the request of a kv call.
type kvCall struct {
	Key        string       `json:"key"` // of a list, the prefix
	Value      *Text        `json:"value,omitempty"`
	TTL        abi.Duration `json:"ttl,omitempty"`
	IfRevision *uint64      `json:"ifRevision,omitempty"`
	After      string       `json:"after,omitempty"`
	Limit      int          `json:"limit,omitempty"`
}

// kvAnswer is what get and set are answered.
type kvAnswer struct {
	Value    Text   `json:"value,omitempty"`
	Revision uint64 `json:"revision"`
}

// socketCall is the request of wsOpen.
type socketCall struct {
	Sandbox abi.SandboxRef       `json:"sandbox"`
	Port    int                  `json:"port"`
	Options abi.WebSocketOptions `json:"options,omitzero"`
}

// large stands for a request that is too large to keep: it can still be compared.
type large struct {
	SHA256 string `json:"sha256"`
	Bytes  int    `json:"bytes"`
}

// requestText is the JSON of a call's request, or what stands for it.
func requestText(v any) json.RawMessage {
	text, ok := v.(json.RawMessage)
	if !ok {
		text, _ = marshal(v) // these structs are always JSON
	}
	if len(text) > maxPiece {
		sum := sha256.Sum256([]byte(canonical(text)))
		text, _ = marshal(large{hex.EncodeToString(sum[:]), len(text)})
	}
	if !json.Valid(text) { // a guest sent it so, and was told INVALID_REQUEST
		text, _ = marshal(Text(text))
	}
	return text
}

func kvSetCall(key string, value []byte, opts abi.KVSetOptions) kvCall {
	text := Text(value)
	return kvCall{Key: key, Value: &text, TTL: opts.TTL, IfRevision: opts.IfRevision}
}

// urlCall is the request of wsURL.
type urlCall struct {
	URL     string                  `json:"url"`
	Options abi.WebSocketURLOptions `json:"options,omitzero"`
}
