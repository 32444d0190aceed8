package bridge

import (
	"bytes"
	"testing"

	"github.com/fasthttp/websocket"
)

func TestEcho(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		deflate bool
	}{{"plain", false}, {"deflate", true}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, echoServer(t, websocket.FastHTTPUpgrader{EnableCompression: tc.deflate, Subprotocols: []string{"chat"}}))
			d := websocket.Dialer{EnableCompression: tc.deflate, Subprotocols: []string{"x", "chat"}}
			c, resp, err := d.Dial("ws://"+e.addr+"/ws", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if c.Subprotocol() != "chat" {
				t.Errorf("subprotocol %q", c.Subprotocol())
			}
			if got := resp.Header.Get("Sec-WebSocket-Extensions") != ""; got != tc.deflate {
				t.Errorf("extensions %v", resp.Header)
			}
			for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
				msg := bytes.Repeat([]byte("abc"), size/3+1)[:size]
				if err := c.WriteMessage(websocket.BinaryMessage, msg); err != nil {
					t.Fatal(err)
				}
				kind, got, err := c.ReadMessage()
				if err != nil || kind != websocket.BinaryMessage || !bytes.Equal(got, msg) {
					t.Fatalf("size %d: kind %d, %d bytes, %v", size, kind, len(got), err)
				}
			}
			c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(3456, "bye"))
			_, _, err = c.ReadMessage()
			if !websocket.IsCloseError(err, 3456) {
				t.Errorf("close: %v", err)
			}
			c.Close()
			s := e.summary()
			if s.Status != 101 || s.MessagesIn != 7 || s.MessagesOut != 7 || s.Close != "client 3456" || s.Err != nil {
				t.Errorf("summary %+v", s)
			}
		})
	}
}
