//go:build !wasip1

package guest_test

import (
	"strings"
	"testing"

	"edge/abi"
	"edge/abi/guest"
	"edge/abi/guest/guesttest"
)

// TestIsUpgrade asks the plugin's and the host's side of what an upgrade is, which
// must agree: the plugin reads headers in another way.
func TestIsUpgrade(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("keep-alive, ", 50)
	for name, tt := range map[string]struct {
		upgrade, connection []string
		want                bool
	}{
		"plain":            {[]string{"websocket"}, []string{"Upgrade"}, true},
		"letters":          {[]string{"WebSocket"}, []string{"upgrade"}, true},
		"lists":            {[]string{"h2c,websocket"}, []string{"keep-alive, \tUpgrade ,x"}, true},
		"several values":   {[]string{"h2c", "websocket"}, []string{"keep-alive", "upgrade"}, true},
		"long":             {[]string{"websocket"}, []string{long, "upgrade"}, true},
		"long list":        {[]string{"websocket"}, []string{long + "upgrade"}, true},
		"none":             {nil, nil, false},
		"no connection":    {[]string{"websocket"}, nil, false},
		"no upgrade":       {nil, []string{"upgrade"}, false},
		"other connection": {[]string{"websocket"}, []string{"keep-alive"}, false},
		"long without":     {[]string{"websocket"}, []string{long}, false},
		"empty":            {[]string{""}, []string{""}, false},
		"commas":           {[]string{",,"}, []string{","}, false},
		"prefix":           {[]string{"websockets"}, []string{"upgrade"}, false},
		"inner space":      {[]string{"web socket"}, []string{"upgrade"}, false},
		"not ASCII":        {[]string{"webſocket"}, []string{"upgrade"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			req := guesttest.Request("GET", "/")
			for _, v := range tt.upgrade {
				req.Headers = append(req.Headers, abi.Header{Name: "upgrade", Value: v})
			}
			for _, v := range tt.connection {
				req.Headers = append(req.Headers, abi.Header{Name: "CONNECTION", Value: v})
			}
			if got := req.IsUpgrade(); got != tt.want {
				t.Errorf("host: %v, want %v", got, tt.want)
			}
			answered(t, handled(req, func(r *guest.Request) (guest.Response, error) {
				for range 2 { // the second answer is remembered
					if got := r.IsUpgrade(); got != tt.want {
						t.Errorf("plugin: %v, want %v", got, tt.want)
					}
				}
				return guest.Text(200, ""), nil
			}))
		})
	}
}
