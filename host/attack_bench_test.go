package host

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"edge/abi"
)

// BenchmarkWrongAddress compares what wrong addresses and tokens cost with a right
// one, and with one whose answer is as short: who guesses takes no more of the edge
// than who visits.
func BenchmarkWrongAddress(b *testing.B) {
	a := newArena(b, &Server{}, nil)
	a.machines.set("Sandbox.a", 8080, backend(b, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 200))
	}))
	a.machines.set("Sandbox.a", 8081, backend(b, func(http.ResponseWriter, *http.Request) {}))
	a.expose(b, "a", abi.ExposePortRequest{Port: 8080, Token: "right_token_1234"})
	a.expose(b, "a", abi.ExposePortRequest{Port: 8081, Token: "right_token_1234", TokenIn: abi.TokenInRequest})
	for i := range 900 { // a table of some size
		a.expose(b, "many", abi.ExposePortRequest{Port: 10_000 + i})
	}
	link := "Cookie: edge-preview=t0wcy7.o2rX2Ha33Co53w2UwiYhMLzwmSwXaGMIGMPaOvey1qY\r\n"
	for _, bm := range []struct {
		name, host, head string
		status           int
	}{
		{"right", "8080-a-right_token_1234", "", 200},
		{"right, in the request", "8081-a", "X-Edge-Token: right_token_1234\r\n", 200},
		{"wrong token", "8080-a-wrong_token_1234", "", 404},
		{"wrong token of nobody", "8080-x-wrong_token_1234", "", 404},
		{"wrong token in the request", "8081-a", "X-Edge-Token: wrong_token_1234\r\n", 404},
		{"wrong session", "8081-a", link, 404},
		{"eight wrong sessions", "8081-a", strings.Repeat(link, 8), 404},
		{"eight wrong sessions of nobody", "8081-x", strings.Repeat(link, 8), 404},
	} {
		b.Run(bm.name, func(b *testing.B) {
			c := a.dial(b)
			request := "GET / HTTP/1.1\r\nHost: " + bm.host + ".localhost\r\n" + bm.head + "\r\n"
			for b.Loop() {
				c.send(request)
				if got := c.answer("GET"); got.StatusCode != bm.status {
					b.Fatalf("status %d", got.StatusCode)
				}
			}
		})
	}
}
