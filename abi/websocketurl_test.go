package abi_test

import (
	"errors"
	"strings"
	"testing"

	"edge/abi"
)

func TestCheckWebSocketURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"ws://a.example/x?y#z":     "http://a.example/x?y",
		"wss://a.example:8443":     "https://a.example:8443",
		"http://[::1]:80/":         "http://[::1]:80/",
		"https://a.example/a%2Fb":  "https://a.example/a%2Fb",
		"WSS://A.example/":         "https://A.example/",
		"a.example":                "",
		"/x":                       "",
		"ws://":                    "",
		"ws:///x":                  "",
		"ftp://a.example/":         "",
		"ws://user:pass@a.example": "",
		"ws://a.example:port/":     "",
		"ws://a\nb/":               "",
	} {
		u, err := abi.CheckWebSocketURL(text, &abi.WebSocketURLOptions{})
		switch {
		case want == "" && !errors.Is(err, abi.CodeInvalidRequest.Err()):
			t.Errorf("%q: %v, %v; want INVALID_REQUEST", text, u, err)
		case want != "" && (err != nil || u.String() != want):
			t.Errorf("%q: %v, %v; want %s", text, u, err, want)
		}
	}
	for name, opts := range map[string]abi.WebSocketURLOptions{
		"no token":       {Protocols: []string{"a b"}},
		"empty protocol": {Protocols: []string{""}},
		"twice":          {Protocols: []string{"a", "b", "a"}},
		"header name":    {Headers: [][2]string{{"a b", "c"}}},
		"header value":   {Headers: [][2]string{{"A", "b\r\nC: d"}}},
		"key":            {Headers: [][2]string{{"sec-websocket-key", "x"}}},
		"host":           {Headers: [][2]string{{"Host", "x"}}},
		"upgrade":        {Headers: [][2]string{{"Upgrade", "x"}}},
		"large headers":  {Headers: [][2]string{{"A", strings.Repeat("x", abi.MaxHeaderBytes)}}},
		"too many":       {Headers: make([][2]string, abi.MaxHeaders+1)},
	} {
		if _, err := abi.CheckWebSocketURL("ws://a.example/", &opts); !errors.Is(err, abi.CodeInvalidRequest.Err()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
